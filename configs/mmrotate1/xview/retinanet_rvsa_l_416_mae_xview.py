# xView: RetinaNet on ViT-L + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/retinanet_rvsa_l.py', '../../_base_/mmrotate1/datasets/xview.py']
model = dict(
    backbone=dict(img_size=416, pretrained='weights/vit-l-mae-checkpoint-1599.pth'),
    bbox_head=dict(num_classes=60))
