# LEVIR-CD: UNet on the difference on ViT-B + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/unet_rvsa_b.py', '../../_base_/mmrotate1/datasets/levir.py']
model = dict(backbone=dict(img_size=256, pretrained='weights/vit-b-checkpoint-1599.pth'))
