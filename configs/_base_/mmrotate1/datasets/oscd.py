# OSCD in its three visible bands, 96-pixel patches looked at as 224. The test split is also the validation.
_base_ = ['./change_256.py', '../schedules/change_100e.py']
train_pipeline = [
    dict(type='MultiImgLoadImageFromFile'),
    # before the labels, as published: the loss brings the prediction to the size of the label
    dict(type='MultiImgResize', scale=(224, 224), keep_ratio=True),
    dict(type='MultiImgLoadAnnotations'),
    dict(type='MultiImgRandomRotFlip', rotate_prob=0.5, flip_prob=0.5, degree=(-20, 20)),
    dict(type='MultiImgRandomCrop', crop_size=(224, 224), cat_max_ratio=0.75),
    *_base_.train_pipeline[4:]
]
val_pipeline = [
    dict(type='MultiImgLoadImageFromFile'),
    dict(type='MultiImgResize', scale=(224, 224), keep_ratio=True),
    dict(type='MultiImgLoadAnnotations'),
    dict(type='MultiImgPackSegInputs')
]
dataset = dict(type='OSCD_RGB_CD_Dataset', data_root='data/oscd_rgb_patch_dataset/')
train_dataloader = dict(dataset=dict(dataset, pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        dataset,
        data_prefix=dict(seg_map_path='test/label', img_path_from='test/A', img_path_to='test/B'),
        pipeline=val_pipeline))
test_dataloader = val_dataloader
default_hooks = dict(logger=dict(log_metric_by_epoch=False), visualization=dict(draw=True, img_shape=None))
window = 96  # side of the patches in pixels, before they are enlarged: what a prediction cuts a raster into
