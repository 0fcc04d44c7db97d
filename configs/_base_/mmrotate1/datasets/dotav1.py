# DOTA-v1.0, 1024-pixel tiles at three scales (0.5, 1, 1.5).
_base_ = ['./dota_1024.py', '../schedules/detection_12e.py', '../runtimes/mmrotate.py']
train_pipeline = [
    *_base_.train_pipeline[:-1],
    # a storage tank (9) and a roundabout (11) have no direction: their boxes turn by right angles only
    dict(type='RandomRotate', prob=0.5, angle_range=180, rect_obj_labels=[9, 11]),
    dict(type='mmdet.PackDetInputs')
]
dataset = dict(type='DOTADataset', data_root='data/split_ms_dotav1/')
train_dataloader = dict(dataset=dict(dataset, pipeline=train_pipeline))
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
tiling = 'dotav1_ms'  # how the images of the test are cut: a name of mtp.tiles.windows
merge = dict(iou_thr=0.1, rule='ge')  # of the NMS over all tiles of an image, which decides the submission
test_evaluator = dict(type='TileSubmission', dataset='dotav1')
default_hooks = dict(checkpoint=dict(interval=8))
