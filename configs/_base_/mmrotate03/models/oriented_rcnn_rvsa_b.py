# Oriented R-CNN on ViT-B + RVSA, and its optimizer: the rate of a block is 0.9 of the one above it.
_base_ = './oriented_rcnn.py'
model = dict(
    backbone=dict(
        type='RVSA_MTP_branches',
        patch_size=16,
        embed_dim=768,
        depth=12,
        num_heads=12,
        mlp_ratio=4,
        qkv_bias=True,
        qk_scale=None,
        drop_rate=0.,
        attn_drop_rate=0.,
        drop_path_rate=0.3,
        use_abs_pos_emb=True,
        use_checkpoint=True,
        interval=3,
        out_indices=[3, 5, 7, 11]),
    neck=dict(in_channels=[768, 768, 768, 768]))
optimizer = dict(
    type='AdamW',
    lr=1e-4,
    betas=(0.9, 0.999),
    weight_decay=0.05,
    constructor='LayerDecayOptimizerConstructor_ViT',
    paramwise_cfg=dict(num_layers=12, layer_decay_rate=0.9))
