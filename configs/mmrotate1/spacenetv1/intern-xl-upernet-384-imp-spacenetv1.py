# SpaceNet v1: UPerNet on InternImage-XL, from ImageNet.
_base_ = ['../../_base_/mmrotate1/models/upernet_intern_xl.py', '../../_base_/mmrotate1/datasets/spacenetv1.py']
model = dict(
    data_preprocessor=dict(size=(384, 384)),
    backbone=dict(pretrained='weights/internimage_xl_22kto1k_384.pth'),
    decode_head=dict(num_classes=2),
    test_cfg=dict(crop_size=(384, 384), stride=(256, 256)))
