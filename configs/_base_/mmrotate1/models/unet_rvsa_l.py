_base_ = ['./unet.py', '../backbones/rvsa_l.py']
model = dict(
    backbone=_base_.backbone, decode_head=dict(in_channels=_base_.channels, encoder_channels=_base_.channels))
# the last norm and the pyramid are there for their keys only
find_unused_parameters = True
