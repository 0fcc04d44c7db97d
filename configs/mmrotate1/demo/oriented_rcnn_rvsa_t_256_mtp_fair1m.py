# The sample of FAIR1M-2.0: Oriented R-CNN on the reduced ViT + RVSA, a minute of training on two cores.
_base_ = ['../../_base_/mmrotate1/models/oriented_rcnn_rvsa_t.py', '../../_base_/mmrotate1/datasets/demo.py']
model = dict(backbone=dict(img_size=256), roi_head=dict(bbox_head=dict(num_classes=37)))
train_dataloader = dict(dataset=dict(type='FAIR1Mv2Dataset', data_root='data/demo_fair1m/'))
test_dataloader = dict(dataset=dict(type='FAIR1Mv2Dataset', data_root='data/demo_fair1m/'))
