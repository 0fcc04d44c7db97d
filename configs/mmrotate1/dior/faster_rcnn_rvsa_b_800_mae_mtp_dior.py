# DIOR: Faster R-CNN on ViT-B + RVSA, from MTP pretraining.
_base_ = ['../../_base_/mmrotate1/models/faster_rcnn_rvsa_b.py', '../../_base_/mmrotate1/datasets/dior.py']
model = dict(
    backbone=dict(img_size=800, pretrained='weights/last_vit_b_rvsa_ss_is_rd_pretrn_model_encoder.pth'),
    roi_head=dict(bbox_head=dict(num_classes=20)))
