# Change detection, Open-CD 1.1.
_base_ = './common.py'
default_scope = 'opencd'
env_cfg = dict(cudnn_benchmark=True)
default_hooks = dict(visualization=dict(type='CDVisualizationHook', interval=1, img_shape=(256, 256, 3)))
vis_backends = [dict(type='CDLocalVisBackend')]
visualizer = dict(type='CDLocalVisualizer', vis_backends=vis_backends, name='visualizer', alpha=1.0)
