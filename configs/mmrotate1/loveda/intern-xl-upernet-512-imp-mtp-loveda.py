# LoveDA: UPerNet on InternImage-XL, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/upernet_intern_xl.py', '../../_base_/mmrotate1/datasets/loveda.py']
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(pretrained='weights/last_internimage_xl_ss_is_rd_pretrn_model_encoder.pth'),
    decode_head=dict(num_classes=7),
    test_cfg=dict(crop_size=(512, 512), stride=(384, 384)))
