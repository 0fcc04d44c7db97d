# EuroSAT: a linear classifier on ViT-L + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/linear_rvsa_l.py', '../../_base_/mmrotate1/datasets/eurosat.py']
model = dict(
    backbone=dict(img_size=224, pretrained='weights/vit-l-mae-checkpoint-1599.pth'),
    head=dict(num_classes=10))
data_preprocessor = dict(num_classes=10)
