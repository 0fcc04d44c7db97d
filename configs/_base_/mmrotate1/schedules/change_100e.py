# Open-CD, 100 epochs: a warm-up over 5, then a cosine; validation after every 20, a checkpoint after every 20 and of
# the best.
_base_ = '../runtimes/opencd.py'
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=100, val_interval=20)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=5, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max=95, by_epoch=True, begin=5, end=100)
]
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=20, save_best='mIoU'))
