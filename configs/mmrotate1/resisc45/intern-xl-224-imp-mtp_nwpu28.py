# RESISC-45: a linear classifier on InternImage-XL, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/linear_intern_xl.py', '../../_base_/mmrotate1/datasets/resisc45.py']
model = dict(
    backbone=dict(pretrained='weights/last_internimage_xl_ss_is_rd_pretrn_model_encoder.pth'),
    head=dict(num_classes=45))
data_preprocessor = dict(num_classes=45)
