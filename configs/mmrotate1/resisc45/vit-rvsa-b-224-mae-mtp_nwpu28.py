# RESISC-45: a linear classifier on ViT-B + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/linear_rvsa_b.py', '../../_base_/mmrotate1/datasets/resisc45.py']
model = dict(
    backbone=dict(img_size=224, pretrained='weights/last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    head=dict(num_classes=45))
data_preprocessor = dict(num_classes=45)
