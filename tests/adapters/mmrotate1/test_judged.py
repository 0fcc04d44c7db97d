"""A test of DIOR-R through shards has the figures of the toolbox's own test, and those of our own scorer."""
import argparse
import multiprocessing.dummy
import os
import sys

import numpy as np
import pytest
import torch
from mmengine.config import DictAction
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmrotate.evaluation.functional import eval_rbbox_map
from mmrotate.registry import DATASETS
from mmrotate.structures.bbox import RotatedBoxes

from mtp.adapters.mmrotate1 import cli, judged
from mtp.boxes import rboxes_to_polygons
from mtp.data import catalogue
from mtp.data.samples import samrs
from mtp.errors import MTPError
from mtp.submit import score
from mtp.tiles.shards import ShardWriter

CONFIG = 'oriented_rcnn_rvsa_b_800_mae_mtp_diorr'
WORDS = ['test_dataloader.dataset.ann_file=ImageSets/Main/trainval.txt',
         'test_dataloader.dataset.data_prefix.img_path=JPEGImages-trainval']


@pytest.fixture(scope='module')
def cfg(tmp_path_factory):
    """The config on drawn images."""
    roots = tmp_path_factory.mktemp('diorr')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('MTP_DATA_ROOT', str(roots / 'data'))
        patch.setenv('MTP_WORK_ROOT', str(roots / 'work'))
        samrs.write(str(roots / 'data' / 'samrs'), images=4)
        parser = argparse.ArgumentParser()
        parser.add_argument('--cfg-options', nargs='+', action=DictAction)
        options = parser.parse_args(['--cfg-options'] + WORDS).cfg_options
        yield cli.load(argparse.Namespace(config=CONFIG, cfg_options=options, work_dir=None, launcher='none',
                                          local_rank=None, rehearse=False), 'test')


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    """The metric makes a new pool of processes in each call; threads do here."""
    monkeypatch.setattr(sys.modules[eval_rbbox_map.__module__], 'get_context', lambda _: multiprocessing.dummy)


@pytest.fixture(scope='module')
def dataset(cfg):
    init_default_scope(cfg.default_scope)
    return DATASETS.build(cfg.test_dataloader.dataset)


@pytest.fixture(scope='module')
def found(dataset):
    """What a detector may find, by image: boxes near most objects, some twice, others astray or of a wrong class."""
    rng, result = np.random.default_rng(0), {}
    for number in range(len(dataset)):
        info = dataset.get_data_info(number)
        truth = judged._truth(info, 0)
        boxes, labels = truth['bboxes'].numpy(), truth['labels'].numpy()
        near = np.flatnonzero(rng.random(len(boxes)) < 0.9)
        chosen = np.concatenate([near, near[rng.random(len(near)) < 0.4]])
        close = boxes[chosen] + rng.normal(0, 1, (len(chosen), 5)) * [2, 2, 2, 1, 0.03]
        wrong = np.where(rng.random(len(chosen)) < 0.2, rng.integers(0, 20, len(chosen)), labels[chosen])
        astray = np.column_stack([rng.uniform(50, 200, (6, 2)), rng.uniform(10, 40, (6, 2)), rng.uniform(-1.5, 1.5, 6)])
        box = np.concatenate([close, astray]).astype(np.float32)
        result[info['img_id']] = box, rng.random(len(box)).astype(np.float32), np.concatenate(
            [wrong, rng.choice(labels, 6)])
    return result


def write(folder, found):
    with ShardWriter(str(folder), 0, 1, catalogue.get('diorr').classes, 'test') as writer:
        for name, columns in found.items():
            writer.append(name, *columns)
    return str(folder)


def toolbox(cfg, dataset, found):
    """What the toolbox's loop of a test does with a model that finds just this: every image through its pipeline."""
    init_default_scope(cfg.default_scope)
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = dataset.metainfo
    for number in range(len(dataset)):
        sample = dataset[number]['data_samples']
        boxes, scores, labels = map(torch.from_numpy, found[sample.img_id])
        sample.pred_instances = InstanceData(bboxes=RotatedBoxes(boxes), scores=scores, labels=labels)
        sample.pred_instances.bboxes = sample.pred_instances.bboxes.tensor
        evaluator.process(data_samples=[sample], data_batch=None)
    return evaluator.evaluate(len(dataset))


def test_figures_are_those_of_the_toolbox(cfg, dataset, found, tmp_path):
    infos = [dataset.get_data_info(number) for number in range(len(dataset))]
    assert len(infos) >= 4 and sum(len(info['instances']) for info in infos) > 15
    ours = judged._figures(cfg, dataset, infos, write(tmp_path / 'shards', found))
    theirs = toolbox(cfg, dataset, found)
    assert ours == theirs and 0.2 < ours['dota/mAP'] < 0.95


def test_figures_are_those_of_our_own_scorer(cfg, dataset, found, tmp_path):
    infos = [dataset.get_data_info(number) for number in range(len(dataset))]
    ours = judged._figures(cfg, dataset, infos, write(tmp_path / 'shards', found))
    images = tuple(found)
    truth = score.read_truth(os.path.dirname(infos[0]['xml_path']), 'diorr', images)
    columns = [np.concatenate(column) for column in zip(*found.values())]
    image = np.repeat(np.arange(len(images)), [len(each[1]) for each in found.values()])
    figures = score.score(images, image, columns[2], columns[1], rboxes_to_polygons(columns[0]), truth,
                          catalogue.get('diorr').classes, 'mmrotate', (0.5,))
    assert figures['mean']['AP50_11'] == pytest.approx(ours['dota/AP50'], abs=6e-4)  # it rounds to three decimals
    assert figures['mean']['AP50_11'] == pytest.approx(ours['dota/mAP'], abs=1e-5)


def test_an_image_that_was_not_tested_is_missed(cfg, dataset, found, tmp_path):
    infos = [dataset.get_data_info(number) for number in range(len(dataset))]
    name, *_ = found
    part = {key: columns for key, columns in found.items() if key != name}
    with pytest.raises(MTPError, match=f'1 of {len(found)} images were not tested, for example {name}'):
        judged._figures(cfg, dataset, infos, write(tmp_path / 'shards', part))
