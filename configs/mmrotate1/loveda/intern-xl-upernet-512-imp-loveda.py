# LoveDA: UPerNet on InternImage-XL, from ImageNet.
_base_ = ['../../_base_/mmrotate1/models/upernet_intern_xl.py', '../../_base_/mmrotate1/datasets/loveda.py']
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(pretrained='weights/internimage_xl_22kto1k_384.pth'),
    decode_head=dict(num_classes=7),
    test_cfg=dict(crop_size=(512, 512), stride=(384, 384)))
