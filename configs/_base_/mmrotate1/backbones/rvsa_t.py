# Ours, for the demonstration and for tests: the same network in small, without drop path.
_base_ = './rvsa_b.py'
backbone = dict(embed_dim=128, depth=6, num_heads=4, drop_path_rate=0., out_indices=[1, 2, 4, 5])
channels = [128, 128, 128, 128]
optim_wrapper = dict(paramwise_cfg=dict(num_layers=6))
