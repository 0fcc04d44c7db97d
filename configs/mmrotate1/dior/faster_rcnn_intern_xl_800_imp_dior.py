# DIOR: Faster R-CNN on InternImage-XL, from ImageNet.
_base_ = ['../../_base_/mmrotate1/models/faster_rcnn_intern_xl.py', '../../_base_/mmrotate1/datasets/dior.py']
model = dict(
    backbone=dict(pretrained='weights/internimage_xl_22kto1k_384.pth'),
    roi_head=dict(bbox_head=dict(num_classes=20)))
