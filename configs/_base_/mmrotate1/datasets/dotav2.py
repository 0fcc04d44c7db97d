# DOTA-v2.0, 1024-pixel tiles at one scale.
_base_ = ['./dota_1024.py', '../schedules/detection_40e.py', '../runtimes/mmrotate.py']
dataset = dict(type='DOTAv2Dataset', data_root='data/split_ss_dotav2/')
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dataset)
test_dataloader = dict(dataset=dataset)
tiling = 'dotav2_ss'  # how the images of the test are cut: a name of mtp.tiles.windows
merge = dict(iou_thr=0.1, rule='ge')  # of the NMS over all tiles of an image, which decides the submission
test_evaluator = dict(type='TileSubmission', dataset='dotav2')
default_hooks = dict(checkpoint=dict(interval=8))
