# xView: RetinaNet on ViT-L + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/retinanet_rvsa_l.py', '../../_base_/mmrotate1/datasets/xview.py']
model = dict(
    backbone=dict(img_size=416, pretrained='weights/last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    bbox_head=dict(num_classes=60))
