# DIOR with horizontal boxes: trained on train and val, judged on test.
_base_ = ['./horizontal.py', '../schedules/detection_12e.py', '../runtimes/mmdet.py']
resize = dict(type='Resize', scale=(800, 800), keep_ratio=True)
train_pipeline = [*_base_.train_pipeline[:2], resize, *_base_.train_pipeline[2:]]
# labels are loaded after the resize: the metric wants boxes in pixels of the file
test_pipeline = [_base_.test_pipeline[0], resize, *_base_.test_pipeline[1:]]
dataset = dict(type='DIORDataset', data_root='data/samrs/dior/')
train_dataloader = dict(
    dataset=dict(
        dataset,
        ann_file='DIOR_trainval_coco.json',
        data_prefix=dict(img='JPEGImages-trainval'),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        dataset, ann_file='DIOR_test_coco.json', data_prefix=dict(img='JPEGImages-test'), pipeline=test_pipeline))
val_evaluator = dict(ann_file='data/samrs/dior/DIOR_test_coco.json')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=3))
