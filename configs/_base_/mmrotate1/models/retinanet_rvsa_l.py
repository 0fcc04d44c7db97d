_base_ = ['./retinanet.py', '../backbones/rvsa_l.py']
model = dict(
    backbone=dict(_base_.backbone, type='RVSA_MTP_branches'),
    neck=dict(in_channels=_base_.channels))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
