# MMPretrain, 200 epochs: validation and a checkpoint after every 40.
_base_ = './classification_100e.py'
train_cfg = dict(max_epochs=200, val_interval=40)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=195, by_epoch=True, begin=5, end=200)
]
default_hooks = dict(checkpoint=dict(interval=40))
