# CDD: UNet on the difference on ViT-L + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/unet_rvsa_l.py', '../../_base_/mmrotate1/datasets/cdd.py']
model = dict(backbone=dict(img_size=256, pretrained='weights/vit-l-mae-checkpoint-1599.pth'))
