# EuroSAT: a linear classifier on ViT-B + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/linear_rvsa_b.py', '../../_base_/mmrotate1/datasets/eurosat.py']
model = dict(
    backbone=dict(img_size=224, pretrained='weights/vit-b-checkpoint-1599.pth'),
    head=dict(num_classes=10))
data_preprocessor = dict(num_classes=10)
