# DOTA-v1.0: Oriented R-CNN on ViT-B + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate03/models/oriented_rcnn_rvsa_b.py', '../../_base_/mmrotate03/datasets/dotav1.py']
model = dict(
    backbone=dict(img_size=1024, pretrained='weights/last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    roi_head=dict(bbox_head=dict(num_classes=15)))
