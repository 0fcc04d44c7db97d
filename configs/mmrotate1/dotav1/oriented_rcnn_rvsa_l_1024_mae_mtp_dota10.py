# DOTA-v1.0: Oriented R-CNN on ViT-L + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/oriented_rcnn_rvsa_l.py', '../../_base_/mmrotate1/datasets/dotav1.py']
model = dict(
    backbone=dict(img_size=1024, pretrained='weights/last_vit_l_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    roi_head=dict(bbox_head=dict(num_classes=15)))
