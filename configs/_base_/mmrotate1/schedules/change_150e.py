# Open-CD, 150 epochs: validation and a checkpoint after every 30.
_base_ = './change_100e.py'
train_cfg = dict(max_epochs=150, val_interval=30)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=145, by_epoch=True, begin=5, end=150)
]
default_hooks = dict(checkpoint=dict(interval=30))
