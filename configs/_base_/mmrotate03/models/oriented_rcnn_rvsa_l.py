# Oriented R-CNN on ViT-L + RVSA, and its optimizer.
_base_ = './oriented_rcnn_rvsa_b.py'
model = dict(
    backbone=dict(embed_dim=1024, depth=24, num_heads=16, interval=6, out_indices=[7, 11, 15, 23]),
    neck=dict(in_channels=[1024, 1024, 1024, 1024]))
optimizer = dict(paramwise_cfg=dict(num_layers=24))
