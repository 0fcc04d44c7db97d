# xView in 416-pixel tiles, cut from 700 images to train on and the rest to judge.
_base_ = ['./horizontal.py', '../schedules/detection_12e.py', '../runtimes/mmdet.py']
resize = dict(type='Resize', scale=(416, 416), keep_ratio=True)
train_pipeline = [*_base_.train_pipeline[:2], resize, *_base_.train_pipeline[2:]]
# labels are loaded after the resize: the metric wants boxes in pixels of the file
test_pipeline = [_base_.test_pipeline[0], resize, *_base_.test_pipeline[1:]]
dataset = dict(type='XviewDataset', data_root='data/xview/yolo_format_patch/')
train_dataloader = dict(
    dataset=dict(
        dataset,
        ann_file='xview_train_coco_format.json',
        data_prefix=dict(img='train/images'),
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        dataset,
        ann_file='xview_val_coco_format.json',
        data_prefix=dict(img='val/images'),
        pipeline=test_pipeline))
val_evaluator = dict(ann_file='data/xview/yolo_format_patch/xview_val_coco_format.json')
test_dataloader = val_dataloader
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=1))
