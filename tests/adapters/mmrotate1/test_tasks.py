"""A tiny run of each task through the command line: two steps of training, then the test with its metric."""
import json
import os

import cv2
import numpy as np
import pytest
import torch
from mmengine.visualization import Visualizer

from mtp.adapters.mmrotate1 import cli, segmentation
from mtp.data import catalogue, scene_table
from mtp.errors import MTPError

NARROW = ['model.backbone.embed_dim=32', 'model.backbone.depth=4', 'model.backbone.num_heads=2',
          'model.backbone.interval=2', 'model.backbone.out_indices=[0,1,2,3]', 'model.backbone.img_size=64',
          'model.backbone.pretrained=None', 'optim_wrapper.paramwise_cfg.num_layers=4',
          'default_hooks.logger.interval=1']
WIDTHS = '[32,32,32,32]'


def image(path, shade=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((64, 64, 3), shade, np.uint8))


def pipeline(*steps):
    return str(list(steps)).replace(' ', '')


@pytest.fixture
def roots(tmp_path, monkeypatch):
    for kind in ('data', 'weights', 'work'):
        monkeypatch.setenv(f'MTP_{kind.upper()}_ROOT', str(tmp_path / kind))
    return tmp_path


def run(roots, capfd, config, steps, options, checkpoint, *words):
    cli.train([config, '--work-dir=work_dirs/run', '--cfg-options', *NARROW, *steps, *options])
    forget(Visualizer)  # a tool is a process of its own and has none yet
    cli.test([config, str(roots / 'work' / 'run' / checkpoint), '--work-dir=work_dirs/test', *words, '--cfg-options',
              *NARROW, *options, 'val_cfg=None', 'val_dataloader=None', 'val_evaluator=None'])
    return capfd.readouterr().out


def forget(kind):
    kind._instance_dict.clear()
    for each in kind.__subclasses__():
        forget(each)


def loaders(batch, *names):
    return [f'{name}.num_workers=0' for name in names] + [
        f'{name}.persistent_workers=False' for name in names] + [f'train_dataloader.batch_size={batch}']


def test_classification(roots, capfd):
    for split in ('train', 'val'):
        for label, kind in enumerate(catalogue.get('eurosat').classes):
            image(roots / 'data' / 'eurosat' / split / kind / f'{label}.png', 20 * label)
    said = run(roots, capfd, 'vit-rvsa-b-224-mae-mtp_eurosat',
               ['train_cfg.max_epochs=1', 'default_hooks.checkpoint.interval=1'],
               ['model.head.in_channels=32', 'model.backbone.img_size=224',
                *loaders(5, 'train_dataloader', 'val_dataloader', 'test_dataloader')], 'epoch_1.pth',
               '--show-dir=work_dirs/show')
    assert 'accuracy/top1' in said
    assert len(list((roots / 'work' / 'show').iterdir())) == 10  # every image, where the toolbox draws one in 5000
    table = scene_table.read(str(roots / 'work' / 'test' / 'scenes.csv'))
    kinds = catalogue.get('eurosat').classes
    assert table.classes == kinds and table.truth.tolist() == list(range(10))
    assert table.images == tuple(f'data/eurosat/val/{kind}/{label}.png' for label, kind in enumerate(kinds))
    right = 100 * (table.label == table.truth).mean()
    assert json.loads((roots / 'work' / 'test' / 'passport-test.json').read_text())['metrics']['accuracy/top1'] == right


def test_horizontal_detection(roots, capfd):
    for split, name in (('trainval', 'JPEGImages-trainval'), ('test', 'JPEGImages-test')):
        image(roots / 'data' / 'samrs' / 'dior' / name / 'a.jpg')
        (roots / 'data' / 'samrs' / 'dior' / f'DIOR_{split}_coco.json').write_text(json.dumps(dict(
            images=[dict(id=1, file_name='a.jpg', width=64, height=64)],
            annotations=[dict(id=1, image_id=1, category_id=3, bbox=[4, 5, 30, 28], area=840, iscrowd=0)],
            categories=[dict(id=index, name=name) for index, name in enumerate(catalogue.get('dior').classes)])))
    scale = ['train_dataloader.dataset.pipeline.2.scale=(64,64)', 'test_dataloader.dataset.pipeline.1.scale=(64,64)']
    said = run(roots, capfd, 'faster_rcnn_rvsa_b_800_mae_mtp_dior',
               ['train_cfg.max_epochs=1', 'train_cfg.val_interval=9', 'default_hooks.checkpoint.interval=1'],
               ['model.neck.in_channels=' + WIDTHS, *scale,
                *loaders(1, 'train_dataloader', 'val_dataloader', 'test_dataloader')], 'epoch_1.pth')
    assert 'coco/bbox_mAP_50' in said


def test_segmentation(roots, capfd):
    for split in ('train', 'val'):
        image(roots / 'data' / 'spacenet' / 'data' / split / 'images' / 'a.png')
        labels = roots / 'data' / 'spacenet' / 'data' / split / 'labels'
        labels.mkdir()
        cv2.imwrite(str(labels / 'a.png'), np.eye(64, dtype=np.uint8))
    size = ['train_dataloader.dataset.pipeline.2.scale=(64,64)',
            'train_dataloader.dataset.pipeline.3.crop_size=(64,64)',
            'model.data_preprocessor.size=(64,64)', 'model.test_cfg.crop_size=(64,64)', 'model.test_cfg.stride=(48,48)']
    said = run(roots, capfd, 'rvsa-b-upernet-384-mae-mtp-spacenetv1',
               ['train_cfg.max_iters=2', 'train_cfg.val_interval=9', 'default_hooks.checkpoint.interval=2'],
               ['model.decode_head.in_channels=' + WIDTHS, 'model.decode_head.channels=32', *size,
                *loaders(2, 'train_dataloader', 'val_dataloader', 'test_dataloader')], 'iter_2.pth',
               '--out=work_dirs/predictions', '--show-dir=work_dirs/show')
    assert 'mIoU' in said
    assert [path.name for path in (roots / 'work' / 'predictions').glob('[!.]*')] == ['a.png']
    assert list((roots / 'work' / 'show').rglob('*.png'))
    with pytest.raises(MTPError, match='batch of one image.*\n.*batch_size=2'):
        cli.train(['rvsa-b-upernet-384-mae-mtp-spacenetv1', '--work-dir=work_dirs/one'])
    (roots / 'work' / 'mine').mkdir()
    (roots / 'work' / 'mine' / 'a.png').write_bytes(b'of somebody')
    with pytest.raises(MTPError, match='mine was not made by test: it holds a.png'):
        cli.test(['rvsa-b-upernet-384-mae-mtp-spacenetv1', str(roots / 'work' / 'run' / 'iter_2.pth'),
                  '--out=work_dirs/mine'])
    assert (roots / 'work' / 'mine' / 'a.png').read_bytes() == b'of somebody'


def test_change_detection(roots, capfd):
    for split in ('train', 'val', 'test'):
        folder = roots / 'data' / 'whu_cd_patch_dataset' / split
        image(folder / 'A' / 'a.png')
        image(folder / 'B' / 'a.png', 200)
        (folder / 'label').mkdir()
        cv2.imwrite(str(folder / 'label' / 'a.png'), 255 * np.eye(64, dtype=np.uint8))
    said = run(roots, capfd, 'rvsa-b-unet-256-mae-mtp_whu',
               ['train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'default_hooks.checkpoint.interval=1',
                'train_dataloader.dataset.pipeline.3.crop_size=(64,64)'],
               ['model.decode_head.in_channels=' + WIDTHS, 'model.decode_head.encoder_channels=' + WIDTHS,
                'model.decode_head.decoder_channels=[16,16,8,8]', 'model.decode_head.channels=8',
                *loaders(1, 'train_dataloader', 'val_dataloader', 'test_dataloader')], 'epoch_1.pth',
               '--show-dir=work_dirs/show')
    assert 'changed/Fscore' in said
    assert len(list((roots / 'work' / 'show').rglob('*.png'))) == 1


def test_a_mask_of_a_pair_is_called_after_the_first_image(tmp_path):
    metric = segmentation.IoUMetric(output_dir=str(tmp_path), iou_metrics=['mIoU'])
    metric.dataset_meta = dict(classes=('unchanged', 'changed'))
    plane = dict(data=torch.ones(1, 4, 4, dtype=torch.int64))
    metric.process(None, [dict(pred_sem_seg=plane, gt_sem_seg=plane, img_path=['A/whu_1.png', 'B/whu_1.png']),
                          dict(pred_sem_seg=plane, gt_sem_seg=plane, img_path='images/scene.png')])
    assert sorted(os.listdir(str(tmp_path))) == ['scene.png', 'whu_1.png'] and len(metric.results) == 2
