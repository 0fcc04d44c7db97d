# 80 000 iterations: a linear warm-up over 1 500, then a cosine down to nothing.
train_cfg = dict(type='IterBasedTrainLoop', max_iters=80000, val_interval=20000)
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
    dict(type='CosineAnnealingLR', T_max=78500, eta_min=0., by_epoch=False, begin=1500, end=80000)
]
