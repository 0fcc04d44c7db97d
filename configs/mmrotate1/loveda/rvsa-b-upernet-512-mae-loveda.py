# LoveDA: UPerNet on ViT-B + RVSA, from Million-AID MAE.
_base_ = ['../../_base_/mmrotate1/models/upernet_rvsa_b.py', '../../_base_/mmrotate1/datasets/loveda.py']
model = dict(
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(img_size=512, pretrained='weights/vit-b-checkpoint-1599.pth'),
    decode_head=dict(num_classes=7),
    test_cfg=dict(crop_size=(512, 512), stride=(384, 384)))
