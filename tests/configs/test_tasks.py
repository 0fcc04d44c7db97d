"""Classification, horizontal detection, segmentation, change: the facts of published.md#settings-by-data-set."""
import pytest

from mtp.data import catalogue
from tests.configs import resolved

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
RUNS = [run for run in resolved.HERE if not run['toolbox'].startswith('mmrotate')]


def of(*datasets):
    """Parametrise by the runs of some data sets."""
    return pytest.mark.parametrize('run', [run for run in RUNS if run['dataset'] in datasets], ids=resolved.name)


def config(run):
    return resolved.load(resolved.path(run))


def kinds(pipeline):
    return [step['type'].replace('MultiImg', '') for step in pipeline]


def step(pipeline, kind):
    """The one step of a type, without its type."""
    found, = (dict(item) for item in pipeline if item['type'].replace('MultiImg', '') == kind)
    return {key: value for key, value in found.items() if key != 'type'}


def folders(loader):
    """Where a loader reads: below which root, by role."""
    dataset = loader['dataset']
    return dataset.get('data_root'), dataset.get('ann_file', ''), dataset['data_prefix']


def warmed_cosine(cfg, epochs):
    return [dict(type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end=5, convert_to_iter_based=True),
            dict(type='CosineAnnealingLR', T_max=epochs - 5, by_epoch=True, begin=5, end=epochs)] == cfg.param_scheduler


@of('eurosat', 'resisc45')
def test_classification(run):
    cfg, dataset = config(run), run['dataset']
    epochs, every = {'eurosat': (100, 20), 'resisc45': (200, 40)}[dataset]
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (epochs, every) and warmed_cosine(cfg, epochs)
    assert (cfg.default_hooks.checkpoint.interval, cfg.default_hooks.logger.interval) == (every, 100)
    assert (cfg.val_evaluator, cfg.auto_scale_lr) == (dict(type='Accuracy', topk=(1, 5)),
                                                      dict(enable=False, base_batch_size=64))
    if dataset == 'eurosat':
        assert [folders(loader) for loader in (cfg.train_dataloader, cfg.val_dataloader)] == [
            ('data/eurosat/', '', 'train'), ('data/eurosat/', '', 'val')]
    else:
        assert [folders(loader) for loader in (cfg.train_dataloader, cfg.val_dataloader)] == [
            ('data/nwpu/', f'mtp/{split}_labels_28_mtp.txt', 'all_img') for split in ('train', 'valid')]
    assert cfg.test_dataloader == cfg.val_dataloader and cfg.train_dataloader.num_workers == 8
    assert not cfg.env_cfg.cudnn_benchmark and not cfg.default_hooks.visualization.enable
    classes = len(catalogue.get(dataset).classes)
    assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == classes
    assert (cfg.model.type, cfg.model.neck, cfg.model.head.type) == (
        'ImageClassifier', dict(type='GlobalAveragePooling'), 'LinearClsHead')
    assert (cfg.model.head.loss, cfg.model.head.topk) == (dict(type='CrossEntropyLoss', loss_weight=1.0), (1, 5))
    assert (cfg.data_preprocessor.mean, cfg.data_preprocessor.std, cfg.data_preprocessor.to_rgb) == (MEAN, STD, True)


@of('eurosat', 'resisc45')
def test_augmentation_of_classification(run):
    steps = config(run).train_pipeline
    assert kinds(steps) == ['LoadImageFromFile', 'RandomResizedCrop', 'RandomFlip', 'RandAugment', 'RandomErasing',
                            'PackInputs']
    assert step(steps, 'RandomResizedCrop') == dict(scale=224, backend='pillow', interpolation='bicubic')
    assert step(steps, 'RandomFlip') == dict(prob=0.5, direction='horizontal')
    assert step(steps, 'RandAugment') == dict(
        policies='timm_increasing', num_policies=2, total_level=10, magnitude_level=9, magnitude_std=0.5,
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'))
    assert step(steps, 'RandomErasing') == dict(
        erase_prob=0.25, mode='rand', min_area_ratio=0.02, max_area_ratio=1 / 3, fill_color=MEAN[::-1],
        fill_std=STD[::-1])
    steps = config(run).test_pipeline
    assert step(steps, 'ResizeEdge') == dict(scale=256, edge='short', backend='pillow', interpolation='bicubic')
    assert step(steps, 'CenterCrop') == dict(crop_size=224)


@of('dior', 'xview')
def test_horizontal_detection(run):
    cfg, dataset = config(run), run['dataset']
    size, root, keep = {'dior': (800, 'data/samrs/dior/', 3),
                        'xview': (416, 'data/xview/yolo_format_patch/', 1)}[dataset]
    files = {'dior': [('DIOR_trainval_coco.json', dict(img='JPEGImages-trainval')),
                      ('DIOR_test_coco.json', dict(img='JPEGImages-test'))],
             'xview': [('xview_train_coco_format.json', dict(img='train/images')),
                       ('xview_val_coco_format.json', dict(img='val/images'))]}[dataset]
    for loader, (labels, images) in zip((cfg.train_dataloader, cfg.val_dataloader), files):
        assert folders(loader) == (root, labels, images)
    assert cfg.train_dataloader.dataset.filter_cfg == dict(filter_empty_gt=True, min_size=32)
    assert cfg.train_dataloader.batch_sampler == dict(type='AspectRatioBatchSampler')
    assert kinds(cfg.train_pipeline) == [
        'LoadImageFromFile', 'LoadAnnotations', 'Resize', 'RandomFlip', 'PackDetInputs']
    for steps in (cfg.train_pipeline, cfg.test_pipeline):
        assert step(steps, 'Resize') == dict(scale=(size, size), keep_ratio=True)
    assert step(cfg.train_pipeline, 'RandomFlip') == dict(prob=0.5)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (12, 3)
    assert cfg.default_hooks.checkpoint.interval == keep
    assert cfg.param_scheduler == [
        dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=500),
        dict(type='MultiStepLR', begin=0, end=12, by_epoch=True, milestones=[8, 11], gamma=0.1)]
    assert cfg.test_evaluator == cfg.val_evaluator == dict(
        type='CocoMetric', ann_file=root + files[1][0], metric='bbox', format_only=False)
    head = cfg.model.roi_head.bbox_head if dataset == 'dior' else cfg.model.bbox_head
    assert head.num_classes == len(catalogue.get(dataset).classes)


@of('loveda', 'spacenetv1')
def test_segmentation(run):
    cfg, dataset = config(run), run['dataset']
    size = {'loveda': 512, 'spacenetv1': 384}[dataset]
    steps, zero = cfg.train_pipeline, dict(reduce_zero_label=True) if dataset == 'loveda' else {}
    assert kinds(steps) == ['LoadImageFromFile', 'LoadAnnotations', 'RandomResize', 'RandomCrop', 'RandomFlip',
                            'PhotoMetricDistortion', 'PackSegInputs']
    assert step(steps, 'LoadAnnotations') == zero and step(steps, 'RandomFlip') == dict(prob=0.5)
    assert step(steps, 'RandomResize') == dict(scale=(size, size), ratio_range=(0.5, 2.0), keep_ratio=True)
    assert step(steps, 'RandomCrop') == dict(crop_size=(size, size), cat_max_ratio=0.75)
    assert step(steps, 'PhotoMetricDistortion') == {}
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval, cfg.default_hooks.checkpoint.interval) == (
        80000, 20000, 5000)
    assert cfg.param_scheduler == [
        dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end=1500),
        dict(type='CosineAnnealingLR', T_max=78500, eta_min=0., by_epoch=False, begin=1500, end=80000)]
    assert cfg.train_dataloader.sampler.type == 'InfiniteSampler' and not cfg.default_hooks.checkpoint.by_epoch
    assert cfg.default_hooks.logger.interval == 50 and cfg.env_cfg.cudnn_benchmark
    assert cfg.model.decode_head.num_classes == len(catalogue.get(dataset).classes)
    assert (cfg.model.data_preprocessor.size, cfg.model.data_preprocessor.mean) == ((size, size), MEAN)


@of('loveda')
def test_loveda_has_a_server_and_no_validation(run):
    cfg = config(run)
    assert cfg.val_cfg is cfg.val_dataloader is cfg.val_evaluator is None  # with a loop alone, nothing starts
    assert folders(cfg.train_dataloader) == ('data/loveda_dataset/', '', dict(
        img_path='trainval/images', seg_map_path='trainval/labels'))
    assert folders(cfg.test_dataloader)[2] == dict(img_path='test/images') and cfg.test_evaluator.format_only


@of('spacenetv1')
def test_spacenet_is_validated_squeezed_and_tested_as_it_is(run):
    cfg = config(run)
    for name, split in (('train', 'train'), ('val', 'val'), ('test', 'val')):
        assert folders(cfg[name + '_dataloader']) == ('data/spacenet/data/', '', dict(
            img_path=split + '/images', seg_map_path=split + '/labels'))
    assert step(cfg.val_pipeline, 'Resize') == dict(scale=(384, 384), keep_ratio=False)
    assert kinds(cfg.test_pipeline) == ['LoadImageFromFile', 'LoadAnnotations', 'PackSegInputs']
    assert cfg.test_evaluator == dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=255)


# data set -> type, folder, epochs, validation after, checkpoint after, split of the validation.
CHANGE = {'whu': ('WHU_CD_Dataset', 'whu_cd_patch_dataset', 200, 40, 20, 'val'),
          'levir': ('LEVIR_CD_Dataset', 'levir_patch_dataset', 150, 30, 30, 'val'),
          'cdd': ('SVCD_Dataset', 'cdd_dataset', 200, 40, 20, 'val'),
          'oscd': ('OSCD_RGB_CD_Dataset', 'oscd_rgb_patch_dataset', 100, 20, 20, 'test')}


@of(*CHANGE)
def test_change_detection(run):
    cfg, (kind, folder, epochs, val, keep, split) = config(run), CHANGE[run['dataset']]
    for name, part in (('train', 'train'), ('val', split), ('test', 'test')):
        loader = cfg[name + '_dataloader']
        assert loader.dataset.type == kind and folders(loader) == (f'data/{folder}/', '', dict(
            seg_map_path=part + '/label', img_path_from=part + '/A', img_path_to=part + '/B'))
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (epochs, val) and warmed_cosine(cfg, epochs)
    assert dict(cfg.default_hooks.checkpoint) == dict(
        type='CheckpointHook', interval=keep, by_epoch=True, save_best='mIoU')
    assert cfg.val_evaluator == cfg.test_evaluator == dict(type='mmseg.IoUMetric', iou_metrics=['mFscore', 'mIoU'])
    is_oscd = run['dataset'] == 'oscd'
    assert bool(cfg.default_hooks.visualization.get('draw')) == is_oscd
    size, steps = 224 if is_oscd else 256, cfg.train_pipeline
    # images grow before the labels are read, so the loss of OSCD is taken at 96 pixels
    assert kinds(steps) == ['LoadImageFromFile'] + ['Resize'] * is_oscd + [
        'LoadAnnotations', 'RandomRotFlip', 'RandomCrop', 'ExchangeTime', 'PhotoMetricDistortion', 'PackSegInputs']
    assert step(steps, 'RandomRotFlip') == dict(rotate_prob=0.5, flip_prob=0.5, degree=(-20, 20))
    assert step(steps, 'RandomCrop') == dict(crop_size=(size, size), cat_max_ratio=0.75)
    assert step(steps, 'ExchangeTime') == dict(prob=0.5)
    assert step(steps, 'PhotoMetricDistortion') == dict(
        brightness_delta=10, contrast_range=(0.8, 1.2), saturation_range=(0.8, 1.2), hue_delta=10)
    assert kinds(cfg.val_pipeline)[:3] == ['LoadImageFromFile', 'Resize', 'LoadAnnotations']
    assert step(cfg.val_pipeline, 'Resize') == dict(scale=(size, size), keep_ratio=True)
    tested = cfg.test_dataloader.dataset.pipeline
    assert ('Resize' in kinds(tested)) == is_oscd


@of(*CHANGE)
def test_network_of_change_detection(run):
    model = config(run).model
    assert model.type == 'SiamEncoderDecoder' and model.test_cfg == dict(mode='whole')
    assert model.neck == dict(type='FeatureFusionNeck', policy='abs_diff', out_indices=(0, 1, 2, 3))
    head = dict(model.decode_head)
    assert head.pop('encoder_channels') == head.pop('in_channels')
    assert head == dict(
        type='UNetHead', num_classes=2, ignore_index=255, in_index=[0, 1, 2, 3], channels=64, dropout_ratio=0.1,
        decoder_channels=[512, 256, 128, 64], n_blocks=4, use_batchnorm=True, center=False, attention_type=None,
        norm_cfg=dict(type='SyncBN', requires_grad=True), align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0))
    made = model.data_preprocessor
    assert (made.mean, made.std, made.size_divisor, made.seg_pad_val) == (MEAN * 2, STD * 2, 32, 255)
