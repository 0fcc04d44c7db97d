_base_ = ['./linear.py', '../backbones/rvsa_b.py']
model = dict(backbone=_base_.backbone, head=dict(in_channels=_base_.channels[-1]))
# the last norm and the pyramid are there for their keys only
find_unused_parameters = True
