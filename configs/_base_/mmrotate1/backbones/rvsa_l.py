# ViT-L with rotated varied-size window attention, and its optimizer.
_base_ = './rvsa_b.py'
backbone = dict(embed_dim=1024, depth=24, num_heads=16, interval=6, out_indices=[7, 11, 15, 23])
channels = [1024, 1024, 1024, 1024]
optim_wrapper = dict(paramwise_cfg=dict(num_layers=24))
