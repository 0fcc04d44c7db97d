"""The detector of every config of this environment builds, at reduced depth."""
import pytest
from mmcv import Config
from mmrotate.models import build_detector

from mtp.adapters.backbones import BY_SCOPE
from tests.configs import resolved

SMALL = {'rvsa-b': dict(depth=4, out_indices=[0, 1, 2, 3], interval=2),
         'rvsa-l': dict(depth=4, out_indices=[0, 1, 2, 3], interval=2),
         'intern-xl': dict(channels=32, depths=[1, 1, 1, 1], groups=[2, 4, 8, 16])}


@pytest.mark.parametrize('run', [run for run in resolved.HERE if run['init'].endswith('mtp')], ids=resolved.name)
def test_builds(run):
    cfg = Config.fromfile(resolved.path(run))
    cfg.model.backbone.update(SMALL[run['backbone']], pretrained=None)
    if run['backbone'] == 'intern-xl':
        cfg.model.neck.in_channels = [32, 64, 128, 256]
    model = build_detector(cfg.model)
    assert type(model.backbone) is BY_SCOPE['mmrotate'][run['type']]
