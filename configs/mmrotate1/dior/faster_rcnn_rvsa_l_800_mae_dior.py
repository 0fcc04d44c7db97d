# DIOR: Faster R-CNN on ViT-L + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/faster_rcnn_rvsa_l.py', '../../_base_/mmrotate1/datasets/dior.py']
model = dict(
    backbone=dict(img_size=800, pretrained='weights/vit-l-mae-checkpoint-1599.pth'),
    roi_head=dict(bbox_head=dict(num_classes=20)))
