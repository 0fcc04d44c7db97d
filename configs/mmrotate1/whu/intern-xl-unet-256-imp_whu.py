# WHU: UNet on the difference on InternImage-XL, from ImageNet.
_base_ = ['../../_base_/mmrotate1/models/unet_intern_xl.py', '../../_base_/mmrotate1/datasets/whu.py']
model = dict(backbone=dict(pretrained='weights/internimage_xl_22kto1k_384.pth'))
