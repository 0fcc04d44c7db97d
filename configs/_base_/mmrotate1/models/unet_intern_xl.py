_base_ = ['./unet.py', '../backbones/intern_xl.py']
model = dict(
    backbone=_base_.backbone, decode_head=dict(in_channels=_base_.channels, encoder_channels=_base_.channels))
