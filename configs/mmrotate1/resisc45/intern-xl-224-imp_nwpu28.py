# RESISC-45: a linear classifier on InternImage-XL, from ImageNet.
_base_ = ['../../_base_/mmrotate1/models/linear_intern_xl.py', '../../_base_/mmrotate1/datasets/resisc45.py']
model = dict(
    backbone=dict(pretrained='weights/internimage_xl_22kto1k_384.pth'),
    head=dict(num_classes=45))
data_preprocessor = dict(num_classes=45)
