# 40 epochs: a linear warm-up over 500 iterations, steps after epochs 24, 32 and 38, validation after every eighth.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=40, val_interval=8)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', begin=0, end=40, by_epoch=True, milestones=[24, 32, 38], gamma=0.1)
]
