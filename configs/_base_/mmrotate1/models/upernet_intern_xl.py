_base_ = ['./upernet.py', '../backbones/intern_xl.py']
model = dict(backbone=_base_.backbone, decode_head=dict(in_channels=_base_.channels))
