# The sample of DOTA-v1.0: Oriented R-CNN on the reduced ViT + RVSA, trained in the other environment.
_base_ = ['../../_base_/mmrotate03/models/oriented_rcnn_rvsa_t.py', '../../_base_/mmrotate03/datasets/demo.py']
data_root = 'data/demo_dotav1/'
model = dict(backbone=dict(img_size=256), roi_head=dict(bbox_head=dict(num_classes=15)))
data = dict(
    train=dict(type='DOTADataset', ann_file=data_root + 'train/annfiles/', img_prefix=data_root + 'train/images/'),
    test=dict(type='DOTADataset', ann_file=data_root + 'test/images/', img_prefix=data_root + 'test/images/'))
submission = 'dotav1'  # how results are packaged: a name of the catalogue
