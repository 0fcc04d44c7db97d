# WHU: UNet on the difference on ViT-B + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/unet_rvsa_b.py', '../../_base_/mmrotate1/datasets/whu.py']
model = dict(backbone=dict(img_size=256, pretrained='weights/last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth'))
