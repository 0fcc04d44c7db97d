# Segmentation, MMSegmentation 1.
_base_ = './common.py'
default_scope = 'mmseg'
default_hooks = dict(
    logger=dict(log_metric_by_epoch=False), visualization=dict(type='SegVisualizationHook', draw=True, interval=1))
env_cfg = dict(cudnn_benchmark=True)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=False)
