"""Which parameters take no part in a step: only those may ask for ``find_unused_parameters``.

See published.md#unused-parameters.
"""
import pytest
import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.structures import PixelData

from mtp.adapters import rehearsal
from tests.adapters.mmrotate1.building import build
from tests.configs import resolved


def built(number):
    """The reduced model of published run ``number``, in training mode, and its config."""
    cfg = Config.fromfile(resolved.path(next(run for run in resolved.RUNS if run['number'] == number)))
    rehearsal.reduce(cfg._cfg_dict)
    return build(cfg).train(), cfg


def unused(model, losses):
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    return {name.split('.')[1] for name, value in model.named_parameters() if value.grad is None}


@pytest.mark.parametrize('number', [67, 65])
def test_segmentation_uses_all_it_has(number):
    from mmseg.structures import SegDataSample
    model = revert_sync_batchnorm(built(number)[0])  # synchronised norms want a GPU
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 128, 128, dtype=torch.long))) for _ in range(2)]
    assert unused(model, model.loss(torch.randn(2, 3, 128, 128), samples)) == set()


@pytest.mark.parametrize('number, names', [(2, {'norm', 'fpn1', 'fpn2'}), (6, set())])
def test_classification_leaves_norm_and_pyramid_and_says_so(number, names):
    from mmpretrain.structures import DataSample
    model, cfg = built(number)
    losses = model.loss(torch.randn(1, 3, 224, 224), [DataSample().set_gt_label(1)])
    assert unused(model, losses) == names
    assert cfg.get('find_unused_parameters', False) == bool(names)


@pytest.mark.parametrize('number, names', [(91, {'norm', 'fpn1', 'fpn2'}), (95, set())])
def test_change_detection_likewise(number, names):
    from mmseg.structures import SegDataSample
    model, cfg = built(number)
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 64, 64, dtype=torch.long))) for _ in range(2)]
    assert unused(revert_sync_batchnorm(model), model.loss(torch.randn(2, 6, 64, 64), samples)) == names
    assert cfg.get('find_unused_parameters', False) == bool(names)
