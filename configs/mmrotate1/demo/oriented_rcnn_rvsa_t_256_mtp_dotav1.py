# The sample of DOTA-v1.0: Oriented R-CNN on the reduced ViT + RVSA, a minute of training on two cores.
_base_ = ['../../_base_/mmrotate1/models/oriented_rcnn_rvsa_t.py', '../../_base_/mmrotate1/datasets/demo.py']
model = dict(backbone=dict(img_size=256), roi_head=dict(bbox_head=dict(num_classes=15)))
train_dataloader = dict(dataset=dict(type='DOTADataset', data_root='data/demo_dotav1/'))
test_dataloader = dict(dataset=dict(type='DOTADataset', data_root='data/demo_dotav1/'))
