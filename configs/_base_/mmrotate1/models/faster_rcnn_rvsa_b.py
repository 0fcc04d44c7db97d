_base_ = ['./faster_rcnn.py', '../backbones/rvsa_b.py']
model = dict(
    backbone=dict(_base_.backbone, type='RVSA_MTP_branches', use_checkpoint=True),
    neck=dict(in_channels=_base_.channels))
optim_wrapper = dict(optimizer=dict(lr=1e-4))
