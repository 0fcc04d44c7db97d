"""Each of the 24 published change-detection runs takes a step of training and judges a pair, reduced as in a
rehearsal.
"""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper

from mtp.adapters import rehearsal
from mtp.adapters.mmrotate1.change_detection.registry import DATASETS
from mtp.data.samples import change, writing
from tests.adapters.mmrotate1.building import build
from tests.configs import resolved

RUNS = [run for run in resolved.HERE if run['toolbox'].startswith('opencd')]
SIZES = {'oscd': 96}


def test_there_are_24():
    assert len(RUNS) == 24 and len({run['dataset'] for run in RUNS}) == 4


@pytest.fixture(scope='module')
def pairs():
    """A drawn pair and its mask by width."""
    return {side: change.pair(np.random.default_rng(3), side, side) for side in (96, 256)}


def dataset_of(loader, pairs, side, root):
    """The loader's dataset on one pair."""
    prefix = loader.dataset.data_prefix
    suffix = '.jpg' if loader.dataset.type == 'SVCD_Dataset' else '.png'
    for key, picture in zip(('img_path_from', 'img_path_to', 'seg_map_path'), pairs[side]):
        writing.save_image(str(root / prefix[key] / ('a' + suffix)), picture)
    return DATASETS.build(dict(loader.dataset, data_root=str(root)))


@pytest.mark.parametrize('run', RUNS, ids=resolved.name)
def test_a_step_of_training_and_a_step_of_the_test(run, pairs, tmp_path):
    cfg = Config.fromfile(resolved.path(run))
    rehearsal.reduce(cfg._cfg_dict)
    torch.manual_seed(0)
    model = revert_sync_batchnorm(build(cfg))
    model.init_weights()
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper)
    side = SIZES.get(run['dataset'], 256)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}

    batch = pseudo_collate([dataset_of(cfg.train_dataloader, pairs, side, tmp_path)[0]])
    model.train()
    reached = set()  # by a gradient; torch 2 takes the gradients away after the step
    for name, value in model.named_parameters():
        value.register_hook(lambda gradient, name=name: reached.add(name))
    assert 0 < model.train_step(batch, optimizer)['loss'] < 5
    without = set(before) - reached
    unused = {name for name in before if name.startswith(('backbone.norm.', 'backbone.fpn'))}  # there for their keys
    assert without == unused and bool(unused) == (run['type'] == 'RVSA_MTP')
    changed = sum(not torch.equal(value, before[name]) for name, value in model.named_parameters())
    assert changed > 0.8 * (len(before) - len(unused))

    tested = dataset_of(cfg.test_dataloader, pairs, side, tmp_path)
    model.eval()
    with torch.no_grad():
        found = model.test_step(pseudo_collate([tested[0]]))
    evaluator = Evaluator(cfg.test_evaluator)
    evaluator.dataset_meta = tested.metainfo
    evaluator.process(data_samples=found)
    figures = evaluator.evaluate(1)
    assert {'changed/Fscore', 'changed/IoU', 'mIoU'} <= set(figures) and 0 <= figures['aAcc'] <= 100
    assert found[0].pred_sem_seg.shape == (side, side) == found[0].gt_sem_seg.shape
