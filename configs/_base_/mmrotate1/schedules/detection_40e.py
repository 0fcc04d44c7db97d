# 40 epochs: steps after epochs 24, 32 and 38, validation after every eighth.
_base_ = './detection_12e.py'
train_cfg = dict(max_epochs=40, val_interval=8)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(type='MultiStepLR', begin=0, end=40, by_epoch=True, milestones=[24, 32, 38], gamma=0.1)
]
