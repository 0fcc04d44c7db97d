"""The detector of every config of this environment builds, at full size and with the published tensors."""
import pytest
from mmcv import Config
from mmrotate.models import build_detector

from mtp.adapters.backbones import BY_SCOPE
from tests.configs import resolved

TENSORS = {'rvsa-b': 257, 'intern-xl': 905}  # of one detector in both generations (published.md#wirings)


@pytest.mark.parametrize('run', resolved.HERE, ids=resolved.name)
def test_builds(run, blank):
    cfg = Config.fromfile(resolved.path(run))
    cfg.model.backbone.pretrained = None
    model = build_detector(cfg.model)
    assert type(model.backbone) is BY_SCOPE['mmrotate'][run['type']]
    tensors = len(list(model.parameters()))
    assert tensors == TENSORS.get(run['backbone'], tensors)
