_base_ = ['./linear.py', '../backbones/intern_xl.py']
model = dict(backbone=_base_.backbone, head=dict(in_channels=_base_.channels[-1]))
