"""The models of the paper at full size: tensors as in the published files, without the time to fill them."""
import json
import os

import golden_files
import pytest
import torch

from mtp.pretrain import recipe
from mtp.pretrain.model import backbones
from mtp.pretrain.model.model import PretrainModel

with open(os.path.join(os.path.dirname(golden_files.__file__), 'state_dict_manifest.json')) as stream:
    MANIFEST = json.load(stream)


@pytest.fixture
def unfilled(monkeypatch):
    """Parameters stay as the allocator gives them: memory that nobody writes to is not used."""
    for name in ('uniform_', 'normal_', 'trunc_normal_', 'constant_', 'ones_', 'zeros_', 'kaiming_uniform_',
                 'kaiming_normal_',
                 'xavier_uniform_', 'xavier_normal_'):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, *_, **__: tensor)


@pytest.mark.parametrize('case, backbone, side', [
    ('vit_b_rvsa_224', 'vit_b_rvsa', 224), ('vit_b_rvsa_448', 'vit_b_rvsa', 448), ('vit_l_rvsa_448', 'vit_l_rvsa', 448),
    ('internimage_xl', 'internimage_xl', 448)])
def test_tensors_are_the_published_ones(unfilled, case, backbone, side):
    encoder, _ = backbones.build(backbone, side, recipe.get('paper'), use_ckpt=True)
    model = PretrainModel(encoder, ('ss', 'is', 'rd'), norm='SyncBN')
    found = {name: list(value.shape) for name, value in model.state_dict().items()}
    assert found == MANIFEST[case]['full'] and list(found) == list(MANIFEST[case]['full'])
