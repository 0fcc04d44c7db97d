"""A checkpoint of another network is refused by name, wherever it is loaded; one of this network never is."""

import pytest
import torch
from checkpoint_parts import backbone

from mtp.adapters.weights import load_into
from mtp.checkpoints import load_backbone
from mtp.checkpoints.__main__ import main
from mtp.errors import MTPError
from mtp.nn import build


def other(encoder):
    """The same network as another project calls it: three names agree."""
    return {
        key.replace('blocks.', 'layers.') if key.startswith('blocks.') else key: value
        for key, value in encoder.items()
        if key.startswith(('blocks.', 'patch_embed.', 'pos_embed'))
    }


def kept(folder, state):
    path = str(folder / 'other.pth')
    torch.save({'model': state}, path)
    return path


def test_a_backbone_of_another_project(tmp_path, encoder):
    model, path = backbone(variant='det_branches'), kept(tmp_path, other(encoder))
    before = model.state_dict()['pos_embed'].clone()
    with pytest.raises(
        MTPError, match=r'3 of its \d+ tensors fit RVSA, which has \d+: it is of another network'
    ) as caught:
        load_backbone(model, path)
    assert 'layers.*' in str(caught.value) and 'blocks.*' in str(caught.value) and 'partial=True' in caught.value.hint
    assert torch.equal(model.state_dict()['pos_embed'], before)  # nothing was loaded
    assert len(load_backbone(model, path, partial=True).loaded) == 3


def test_a_detector_of_another_project(tmp_path, encoder):
    model = torch.nn.Module()
    model.backbone, model.head = backbone(variant='det_branches'), torch.nn.Linear(4, 4)
    path = kept(tmp_path, {'backbone.' + key: value for key, value in other(encoder).items()})
    with pytest.raises(MTPError, match='it is of another network') as caught:
        load_into(model, path, must_fit=False)
    assert 'load_partial=True' in caught.value.hint
    assert load_into(model, path, must_fit=False, partial=True).startswith('3 of')


def test_a_file_with_a_handful_of_the_right_names(tmp_path, encoder):
    few = {key: encoder[key] for key in list(encoder)[:4]}
    with pytest.raises(MTPError, match='4 of its 4 tensors fit RVSA'):
        load_backbone(backbone(), kept(tmp_path, few))


def test_converting_a_backbone_of_another_project(tmp_path, encoder):
    path, out = kept(tmp_path, other(encoder)), str(tmp_path / 'out.pth')
    for target in ('encoder', 'mmrotate1'):
        with pytest.raises(MTPError, match='names of RVSA or InternImage'):
            main(['convert', path, out, '--from', 'encoder', '--to', target])
    assert main(['convert', path, out, '--from', 'encoder', '--to', 'encoder', '--partial']) == 0


def test_checking_a_file_of_another_project(tmp_path):
    state = build('vit_t_rvsa', img_size=64).state_dict()
    with pytest.raises(MTPError, match='it is of another network'):
        main(['check', kept(tmp_path, other(state)), '--backbone', 'vit_t_rvsa', '--img-size', '64'])


def test_an_mae_file_with_its_decoder_is_one_of_this_network(tmp_path, encoder):
    own = {
        key: value
        for key, value in encoder.items()
        if any(part in key for part in ('norm', 'qkv', 'proj', 'mlp', 'pos_embed'))
    }
    decoder = {
        f'decoder_blocks.{n}.{part}.weight': torch.zeros(2)
        for n in range(8)
        for part in ('norm1', 'attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2')
    }
    report = load_backbone(
        backbone(variant='det_branches'), kept(tmp_path, dict(own, mask_token=torch.zeros(1), **decoder))
    )
    assert 'mask_token' in report.left_over and len(report.loaded) >= len(own) - 2


def test_pretraining_says_what_to_type_for_it(tmp_path):
    backbones = pytest.importorskip('mtp.pretrain.model.backbones')
    recipe = pytest.importorskip('mtp.pretrain.recipe').RECIPES['paper']
    path = kept(tmp_path, other(build('vit_t_rvsa', img_size=64).state_dict()))
    with pytest.raises(MTPError, match='it is of another network') as caught:
        backbones.build('vit_t_rvsa', 64, recipe, weights=path)
    assert '--partial True' in caught.value.hint
    assert len(backbones.build('vit_t_rvsa', 64, recipe, weights=path, partial=True)[1].loaded) == 3
