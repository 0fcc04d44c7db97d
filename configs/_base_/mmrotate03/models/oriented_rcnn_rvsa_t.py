# Ours, for the demonstration and for tests: the same detector in small, without drop path.
_base_ = './oriented_rcnn_rvsa_b.py'
model = dict(
    backbone=dict(
        embed_dim=128, depth=6, num_heads=4, drop_path_rate=0., out_indices=[1, 2, 4, 5], use_checkpoint=False),
    neck=dict(in_channels=[128, 128, 128, 128], out_channels=64),
    # Drawn objects are 8 to 60 pixels: the published anchors, from 32 up, meet half of them; what is found then hangs
    # on a few chance positives and differs from one processor to another.
    rpn_head=dict(in_channels=64, feat_channels=64, anchor_generator=dict(scales=[4])),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=64), bbox_head=dict(in_channels=64, fc_out_channels=256)),
    train_cfg=dict(rpn_proposal=dict(nms_pre=200, max_per_img=100), rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)))
optimizer = dict(lr=5e-4, paramwise_cfg=dict(num_layers=6))
