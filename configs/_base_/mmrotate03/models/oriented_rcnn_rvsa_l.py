# Oriented R-CNN on ViT-L + RVSA, and its optimizer: the rate of a block is 0.9 of the one above it.
_base_ = './oriented_rcnn.py'
model = dict(
    backbone=dict(
        type='RVSA_MTP_branches',
        patch_size=16,
        embed_dim=1024,
        depth=24,
        num_heads=16,
        mlp_ratio=4,
        qkv_bias=True,
        qk_scale=None,
        drop_rate=0.,
        attn_drop_rate=0.,
        drop_path_rate=0.3,
        use_abs_pos_emb=True,
        use_checkpoint=True,
        interval=6,
        out_indices=[7, 11, 15, 23]),
    neck=dict(in_channels=[1024, 1024, 1024, 1024]))
optimizer = dict(
    type='AdamW',
    lr=1e-4,
    betas=(0.9, 0.999),
    weight_decay=0.05,
    constructor='LayerDecayOptimizerConstructor_ViT',
    paramwise_cfg=dict(num_layers=24, layer_decay_rate=0.9))
