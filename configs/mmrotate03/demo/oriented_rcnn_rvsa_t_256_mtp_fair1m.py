# The sample of FAIR1M-2.0: Oriented R-CNN on the reduced ViT + RVSA, trained in the other environment.
_base_ = ['../../_base_/mmrotate03/models/oriented_rcnn_rvsa_t.py', '../../_base_/mmrotate03/datasets/demo.py']
data_root = 'data/demo_fair1m/'
model = dict(backbone=dict(img_size=256), roi_head=dict(bbox_head=dict(num_classes=37)))
data = dict(
    train=dict(type='FAIR1Mv2Dataset', ann_file=data_root + 'train/annfiles/', img_prefix=data_root + 'train/images/'),
    test=dict(type='FAIR1Mv2Dataset', ann_file=data_root + 'test/images/', img_prefix=data_root + 'test/images/'))
submission = 'fair1m'  # how results are packaged: a name of the catalogue
