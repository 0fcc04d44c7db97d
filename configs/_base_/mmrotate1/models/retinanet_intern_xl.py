_base_ = ['./retinanet.py', '../backbones/intern_xl.py']
model = dict(backbone=_base_.backbone, neck=dict(in_channels=_base_.channels))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
