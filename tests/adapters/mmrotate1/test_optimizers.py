"""Layer decay as MMEngine's runner asks for it."""
import pytest
from mmengine.optim import build_optim_wrapper

from mtp.adapters import mmrotate1  # noqa: F401  (registers)
from tests.adapters.decayed import FAMILIES, OPTIMIZER, compare, detector


@pytest.mark.parametrize('recipe', ['paper', 'released_code'])
@pytest.mark.parametrize('kind', sorted(FAMILIES))
def test_every_parameter(kind, recipe):
    backbone, settings = FAMILIES[kind]
    model = detector(backbone)
    wrapper = build_optim_wrapper(model, dict(type='OptimWrapper', optimizer=dict(OPTIMIZER), constructor=kind,
                                              paramwise_cfg=dict(settings, recipe=recipe)))
    compare(kind, wrapper.optimizer, model, recipe)
