"""The model of every config builds in this environment, at reduced depth."""
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mtp.adapters.backbones import BY_SCOPE
from tests.configs import resolved

SMALL = {'rvsa-b': dict(depth=4, out_indices=[0, 1, 2, 3], interval=2),
         'rvsa-l': dict(depth=4, out_indices=[0, 1, 2, 3], interval=2),
         'intern-xl': dict(channels=32, depths=[1, 1, 1, 1], groups=[2, 4, 8, 16])}
RUNS = [run for run in resolved.HERE if run['init'].endswith('mtp')]


@pytest.mark.parametrize('run', RUNS, ids=resolved.name)
def test_builds(run):
    if run['toolbox'].startswith('opencd'):
        pytest.importorskip('opencd', reason='Open-CD is not installed: its Git host could not be reached')
    cfg = Config.fromfile(resolved.path(run))
    cfg.model.backbone.update(SMALL[run['backbone']], pretrained=None)
    if run['backbone'] == 'intern-xl':
        narrow(cfg.model)
    if 'data_preprocessor' in cfg:
        cfg.model.data_preprocessor = cfg.data_preprocessor
    init_default_scope(cfg.default_scope)
    scope = run['toolbox'].split()[0]
    models = __import__(scope + '.registry', fromlist=['MODELS']).MODELS
    __import__(scope + '.utils', fromlist=['x']).register_all_modules(init_default_scope=False)
    model = models.build(cfg.model)
    assert type(model.backbone) is BY_SCOPE[scope][run['type']]


def narrow(model):
    """Fit the parts behind a narrow InternImage."""
    channels = [32, 64, 128, 256]
    if 'in_channels' in model.get('neck', {}):
        model.neck.in_channels = channels
    else:
        head = model.get('decode_head') or model.head
        head.in_channels = channels[-1] if isinstance(head.in_channels, int) else channels
        if 'encoder_channels' in head:
            head.encoder_channels = channels
