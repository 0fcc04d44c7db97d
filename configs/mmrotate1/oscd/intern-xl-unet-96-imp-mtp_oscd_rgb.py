# OSCD: UNet on the difference on InternImage-XL, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/unet_intern_xl.py', '../../_base_/mmrotate1/datasets/oscd.py']
model = dict(backbone=dict(pretrained='weights/last_internimage_xl_ss_is_rd_pretrn_model_encoder.pth'))
