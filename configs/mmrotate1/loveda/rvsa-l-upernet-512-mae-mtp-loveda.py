# LoveDA: UPerNet on ViT-L + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/upernet_rvsa_l.py', '../../_base_/mmrotate1/datasets/loveda.py']
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(img_size=512, pretrained='weights/last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    decode_head=dict(num_classes=7),
    test_cfg=dict(crop_size=(512, 512), stride=(384, 384)))
