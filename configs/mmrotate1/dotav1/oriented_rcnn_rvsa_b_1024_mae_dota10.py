# DOTA-v1.0: Oriented R-CNN on ViT-B + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/oriented_rcnn_rvsa_b.py', '../../_base_/mmrotate1/datasets/dotav1.py']
model = dict(
    backbone=dict(img_size=1024, pretrained='weights/vit-b-checkpoint-1599.pth'),
    roi_head=dict(bbox_head=dict(num_classes=15)))
