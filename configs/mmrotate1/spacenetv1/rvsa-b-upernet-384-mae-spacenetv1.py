# SpaceNet v1: UPerNet on ViT-B + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/upernet_rvsa_b.py', '../../_base_/mmrotate1/datasets/spacenetv1.py']
model = dict(
    data_preprocessor=dict(size=(384, 384)),
    backbone=dict(img_size=384, pretrained='weights/vit-b-checkpoint-1599.pth'),
    decode_head=dict(num_classes=2),
    test_cfg=dict(crop_size=(384, 384), stride=(256, 256)))
