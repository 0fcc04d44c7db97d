# xView: RetinaNet on InternImage-XL, from ImageNet.
_base_ = ['../../_base_/mmrotate1/models/retinanet_intern_xl.py', '../../_base_/mmrotate1/datasets/xview.py']
model = dict(
    backbone=dict(pretrained='weights/internimage_xl_22kto1k_384.pth'),
    bbox_head=dict(num_classes=60))
