# Rotated detection, MMRotate 1.x.
_base_ = './common.py'
default_scope = 'mmrotate'
default_hooks = dict(visualization=dict(type='mmdet.DetVisualizationHook'))
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='RotLocalVisualizer', vis_backends=vis_backends, name='visualizer')
