# OSCD: UNet on the difference on ViT-L + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/unet_rvsa_l.py', '../../_base_/mmrotate1/datasets/oscd.py']
model = dict(backbone=dict(img_size=224, pretrained='weights/last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth'))
