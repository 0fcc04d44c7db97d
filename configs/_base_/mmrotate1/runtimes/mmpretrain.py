# Classification, MMPretrain.
_base_ = './common.py'
default_scope = 'mmpretrain'
default_hooks = dict(logger=dict(interval=100), visualization=dict(type='VisualizationHook', enable=False))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)
log_processor = dict(_delete_=True)
