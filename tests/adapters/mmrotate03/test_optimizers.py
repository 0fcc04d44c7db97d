"""Layer decay as MMCV 1.x asks for it."""
import pytest
from mmcv.runner import build_optimizer

from mtp.adapters import mmrotate03  # noqa: F401  (registers)
from tests.adapters.decayed import FAMILIES, OPTIMIZER, compare, detector


@pytest.mark.parametrize('recipe', ['paper', 'released_code'])
@pytest.mark.parametrize('kind', sorted(FAMILIES))
def test_every_parameter(kind, recipe):
    backbone, settings = FAMILIES[kind]
    model = detector(backbone)
    optimizer = build_optimizer(model, dict(OPTIMIZER, constructor=kind, paramwise_cfg=dict(settings, recipe=recipe)))
    compare(kind, optimizer, model, recipe)
