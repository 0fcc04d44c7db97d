# Ours, for the demonstration and for tests: the same network in small, without drop path.
backbone = dict(
    type='RVSA_MTP',
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
    out_indices=[1, 2, 4, 5])
channels = [128, 128, 128, 128]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='LayerDecayOptimizerConstructor_ViT',
    paramwise_cfg=dict(num_layers=6, layer_decay_rate=0.9))
