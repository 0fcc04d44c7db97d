# Open-CD, 200 epochs: validation after every 40, a checkpoint after every 20.
_base_ = './change_100e.py'
train_cfg = dict(max_epochs=200, val_interval=40)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='CosineAnnealingLR', T_max=195, by_epoch=True, begin=5, end=200)
]
