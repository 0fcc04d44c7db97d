# MMPretrain, 100 epochs: a warm-up over 5, then a cosine; validation and a checkpoint after every 20.
_base_ = '../runtimes/mmpretrain.py'
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=20)
val_cfg = dict()
test_cfg = dict()
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=95, by_epoch=True, begin=5, end=100)
]
default_hooks = dict(checkpoint=dict(interval=20))
