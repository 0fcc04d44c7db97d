# ViT-B with rotated varied-size window attention, and its optimizer: the rate of a block is 0.9 of the one above it.
backbone = dict(
    type='RVSA_MTP',
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
    interval=3,
    out_indices=[3, 5, 7, 11])
channels = [768, 768, 768, 768]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='LayerDecayOptimizerConstructor_ViT',
    paramwise_cfg=dict(num_layers=12, layer_decay_rate=0.9))
