# RESISC-45: a linear classifier on ViT-L + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/linear_rvsa_l.py', '../../_base_/mmrotate1/datasets/resisc45.py']
model = dict(
    backbone=dict(img_size=224, pretrained='weights/vit-l-mae-checkpoint-1599.pth'),
    head=dict(num_classes=45))
data_preprocessor = dict(num_classes=45)
