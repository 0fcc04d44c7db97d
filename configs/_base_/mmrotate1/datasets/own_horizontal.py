# Horizontal boxes of one's own, cut into tiles of one size, in COCO's form.
_base_ = ['./horizontal.py', '../runtimes/mmdet.py']
train_dataloader = dict(batch_size=2, num_workers=4, dataset=dict(type='CocoDataset'))
val_dataloader = dict(batch_size=2, num_workers=4, dataset=dict(type='CocoDataset'))
test_dataloader = val_dataloader
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
