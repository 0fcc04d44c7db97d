# InternImage-XL and its optimizer.
backbone = dict(
    type='InternImage',
    channels=192,
    depths=[5, 5, 24, 5],
    groups=[12, 24, 48, 96],
    mlp_ratio=4.,
    drop_path_rate=0.2,
    norm_layer='LN',
    layer_scale=1e-5,
    offset_scale=2.0,
    post_norm=True,
    out_indices=(0, 1, 2, 3))
channels = [192, 384, 768, 1536]
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-5, betas=(0.9, 0.999), weight_decay=0.05),
    constructor='CustomLayerDecayOptimizerConstructor_InternImage',
    paramwise_cfg=dict(num_layers=39, layer_decay_rate=0.94, depths=[5, 5, 24, 5]))
