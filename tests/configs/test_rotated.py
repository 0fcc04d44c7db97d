"""The rotated-detection configs against the facts of their data sets (published.md#settings-by-data-set)."""
import pytest

from mtp.data import catalogue
from tests.configs import resolved

RUNS = [run for run in resolved.HERE if run['toolbox'].startswith('mmrotate')]
SIZE = {'diorr': 800, 'dotav1': 1024, 'dotav2': 1024, 'fair1m': 800}
ROOT = {'diorr': 'data/samrs/dior/', 'dotav1': 'data/split_ms_dotav1/', 'dotav2': 'data/split_ss_dotav2/',
        'fair1m': 'data/fair1m20_clip/'}
KIND = {'diorr': 'DIORDataset', 'dotav1': 'DOTADataset', 'dotav2': 'DOTAv2Dataset', 'fair1m': 'FAIR1Mv2Dataset'}
new = pytest.mark.parametrize('run', [run for run in RUNS if run['env'] == 'mmrotate1'], ids=resolved.name)
old = pytest.mark.parametrize('run', [run for run in RUNS if run['env'] == 'mmrotate03'], ids=resolved.name)


def config(run):
    return resolved.load(resolved.path(run))


def step(pipeline, kind):
    """The step of type ``kind`` of a pipeline, or None."""
    found = [item for item in pipeline if item['type'].split('.')[-1] == kind]
    return found[0] if found else None


@pytest.mark.parametrize('run', RUNS, ids=resolved.name)
def test_classes(run):
    assert config(run).model.roi_head.bbox_head.num_classes == len(catalogue.get(run['dataset']).classes)


@pytest.mark.parametrize('run', RUNS, ids=resolved.name)
def test_proposals_and_suppression(run):
    test_cfg = config(run).model.test_cfg
    assert (test_cfg.rpn.nms_pre, test_cfg.rpn.max_per_img, test_cfg.rpn.nms.iou_threshold) == (2000, 2000, 0.8)
    assert (test_cfg.rcnn.nms_pre, test_cfg.rcnn.score_thr, test_cfg.rcnn.max_per_img) == (2000, 0.05, 2000)
    nms = test_cfg.rcnn.nms
    assert nms == (dict(iou_thr=0.1) if run['env'] == 'mmrotate03' else dict(type='nms_rotated', iou_threshold=0.1))


@new
def test_schedule(run):
    cfg, dataset = config(run), run['dataset']
    epochs, milestones, val = (40, [24, 32, 38], 8) if dataset == 'dotav2' else (12, [8, 11], 3)
    assert (cfg.train_cfg.max_epochs, cfg.train_cfg.val_interval) == (epochs, val)
    warmup, steps = cfg.param_scheduler
    assert (warmup.type, warmup.start_factor, warmup.end, warmup.by_epoch) == ('LinearLR', 1e-6, 500, False)
    assert (steps.milestones, steps.gamma, steps.end) == (milestones, 0.1, epochs)
    assert cfg.default_hooks.checkpoint.interval == {'diorr': 1, 'dotav1': 8, 'dotav2': 8, 'fair1m': 3}[dataset]


@new
def test_data(run):
    cfg, dataset = config(run), run['dataset']
    train = cfg.train_dataloader.dataset
    parts = train.datasets if dataset == 'diorr' else [train]
    assert all((part.type, part.data_root) == (KIND[dataset], ROOT[dataset]) for part in parts)
    assert all(part.filter_cfg == dict(filter_empty_gt=True) for part in parts)
    if dataset == 'diorr':
        assert [part.ann_file for part in parts] == ['ImageSets/Main/train.txt', 'ImageSets/Main/val.txt']
        assert cfg.test_dataloader.dataset.ann_file == 'ImageSets/Main/test.txt'
    else:
        assert train.ann_file == 'trainval/annfiles/' and 'ann_file' not in cfg.test_dataloader.dataset
    assert cfg.train_dataloader.num_workers == (4 if dataset.startswith('dota') else 8)
    assert cfg.train_dataloader.batch_sampler is None


@new
def test_augmentation(run):
    cfg, dataset = config(run), run['dataset']
    size = SIZE[dataset]
    assert step(cfg.train_pipeline, 'Resize') == dict(type='mmdet.Resize', scale=(size, size), keep_ratio=True)
    flip = step(cfg.train_pipeline, 'RandomFlip')
    assert (flip.prob, flip.direction) == (0.75, ['horizontal', 'vertical', 'diagonal'])
    rotate = step(cfg.train_pipeline, 'RandomRotate')
    assert (rotate is not None) == (dataset in ('dotav1', 'fair1m'))
    if rotate:
        assert (rotate.prob, rotate.angle_range) == (0.5, 180)
        assert rotate.get('rect_obj_labels') == ([9, 11] if dataset == 'dotav1' else None)


@new
def test_directionless_classes_are_the_ones_meant(run):
    if run['dataset'] == 'dotav1':
        classes = catalogue.get('dotav1').classes
        assert (classes[9], classes[11]) == ('storage-tank', 'roundabout')


@new
def test_judging(run):
    cfg, dataset = config(run), run['dataset']
    if dataset == 'fair1m':
        assert cfg.val_dataloader is cfg.val_evaluator is cfg.val_cfg is None
    else:
        assert cfg.val_evaluator == dict(type='DOTAMetric', metric='mAP')
    expected = cfg.val_evaluator if dataset == 'diorr' else dict(type='TileSubmission', dataset=dataset)
    assert cfg.test_evaluator == expected


@new
def test_detector(run):
    model = config(run).model
    assert model.type == 'mmdet.FasterRCNN' and model.rpn_head.type == 'OrientedRPNHead'
    assert (model.data_preprocessor.pad_size_divisor, model.data_preprocessor.boxtype2tensor) == (32, False)
    assert model.rpn_head.bbox_coder.angle_version == model.roi_head.bbox_head.bbox_coder.angle_version == 'le90'
    assert model.roi_head.bbox_head.predict_box_type == 'rbox' and model.roi_head.bbox_head.reg_class_agnostic


@old
def test_old_schedule(run):
    cfg = config(run)
    assert (cfg.runner.max_epochs, cfg.lr_config.step) == (12, [8, 11])
    assert (cfg.lr_config.warmup, cfg.lr_config.warmup_iters, cfg.lr_config.warmup_ratio) == ('linear', 500, 1 / 3)
    assert cfg.optimizer_config.grad_clip == dict(max_norm=35, norm_type=2)
    assert cfg.checkpoint_config.interval == {'dotav1': 3, 'fair1m': 1}[run['dataset']]
    assert cfg.data.workers_per_gpu == {'dotav1': 4, 'fair1m': 8}[run['dataset']]


@old
def test_old_data(run):
    cfg, root = config(run), ROOT[run['dataset']]
    assert cfg.data.train.type == cfg.data.test.type == KIND[run['dataset']]
    train = cfg.data.train
    assert (train.ann_file, train.img_prefix) == (root + 'trainval/annfiles/', root + 'trainval/images/')
    assert cfg.data.test.ann_file == cfg.data.test.img_prefix == root + 'test/images/'
    assert cfg.data.train.version == cfg.data.test.version == cfg.model.rpn_head.version == 'le90'
    assert cfg.submission == run['dataset']


@old
def test_old_pipelines(run):
    cfg, size = config(run), SIZE[run['dataset']]
    test = step(cfg.test_pipeline, 'MultiScaleFlipAug')
    assert (test.img_scale, test.flip) == ((size, size), False)
    flip = step(cfg.train_pipeline, 'RRandomFlip')
    assert (flip.flip_ratio, flip.version) == ([0.25] * 3, 'le90')
    rotate = step(cfg.train_pipeline, 'PolyRandomRotate')
    assert (rotate.rotate_ratio, rotate.angles_range, rotate.version) == (0.5, 180, 'le90')
    assert rotate.get('rect_classes') == ([9, 11] if run['dataset'] == 'dotav1' else None)
