_base_ = ['./faster_rcnn.py', '../backbones/intern_xl.py']
model = dict(backbone=dict(_base_.backbone, with_cp=True), neck=dict(in_channels=_base_.channels))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
