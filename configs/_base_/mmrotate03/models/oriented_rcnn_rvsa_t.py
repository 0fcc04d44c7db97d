# Ours, for the demonstration and for tests: the same detector in small.
_base_ = './oriented_rcnn.py'
model = dict(
    backbone=dict(
        type='RVSA_MTP_branches',
        patch_size=16,
        embed_dim=128,
        depth=6,
        num_heads=4,
        mlp_ratio=4,
        qkv_bias=True,
        qk_scale=None,
        drop_rate=0.,
        attn_drop_rate=0.,
        drop_path_rate=0.,
        use_abs_pos_emb=True,
        interval=3,
        out_indices=[1, 2, 4, 5]),
    neck=dict(in_channels=[128, 128, 128, 128], out_channels=64),
    rpn_head=dict(in_channels=64, feat_channels=64),
    roi_head=dict(bbox_roi_extractor=dict(out_channels=64), bbox_head=dict(in_channels=64, fc_out_channels=256)),
    train_cfg=dict(rpn_proposal=dict(nms_pre=200, max_per_img=100), rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(rpn=dict(nms_pre=200, max_per_img=100)))
optimizer = dict(
    type='AdamW',
    lr=5e-4,
    betas=(0.9, 0.999),
    weight_decay=0.05,
    constructor='LayerDecayOptimizerConstructor_ViT',
    paramwise_cfg=dict(num_layers=6, layer_decay_rate=0.9))
