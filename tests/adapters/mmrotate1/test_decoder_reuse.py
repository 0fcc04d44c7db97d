"""Pretraining -> ``change_ckpt.py`` -> fine-tuning: the semantic and the rotated decoder arrive.

See published.md#decoder-reuse.
"""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mtp.adapters import rehearsal
from mtp.adapters.weights import load_into
from mtp.checkpoints.change import main as change_ckpt
from mtp.nn import RVSA
from mtp.pretrain.model import decoder_configs
from mtp.pretrain.model.model import PretrainModel
from tests.adapters.mmrotate1.building import build
from tests.configs import resolved

SIZE = decoder_configs.Size(channels=64, hidden=128, proposals_before=50, is_proposals=20, rd_proposals=20, sampled=16)


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    """A pretraining model as wide as a rehearsal's, saved as its training saves it."""
    torch.manual_seed(0)
    init_default_scope('mmdet')  # whatever an earlier test has left
    encoder = RVSA(img_size=128, variant='pretrain', qkv_bias=True, use_abs_pos_emb=True, **rehearsal.VIT)
    path = tmp_path_factory.mktemp('pretrained') / 'last_model.pth'
    torch.save({'state_dict': PretrainModel(encoder, size=SIZE).state_dict()}, str(path))
    return path


def model(number, **head):
    cfg = Config.fromfile(resolved.path(next(run for run in resolved.RUNS if run['number'] == number)))
    rehearsal.reduce(cfg._cfg_dict)
    cfg.model.get('decode_head', {}).update(head)
    return build(cfg)


def taken(path, target, task):
    """Names of the target's tensors that the revised weights have filled, and what the log says."""
    out = path.parent / (task + '.pth')
    change_ckpt([str(path), '--task', task, '--out', str(out), '--overwrite'])
    for value in target.state_dict().values():
        value.zero_()
    said = load_into(target, str(out), must_fit=False)
    source = torch.load(str(out))['state_dict']
    return {name for name, value in target.state_dict().items() if name in source and torch.equal(value, source[name])
            and source[name].float().abs().sum() > 0}, said


def test_the_rotated_decoder_but_for_its_last_layers(pretrained):
    target = model(25)
    filled, said = taken(pretrained, target, 'rotdet')
    for part in ('neck.', 'rpn_head.', 'roi_head.bbox_head.shared_fcs.'):
        own = {name for name in target.state_dict() if name.startswith(part) and name.endswith('weight')}
        assert own and own <= filled, part
    assert not any('fc_cls' in name or 'fc_reg' in name for name in filled)
    assert 'not in the file (roi_head.bbox_head.fc_cls' in said


def test_the_semantic_decoder_with_its_own_width(pretrained):
    """The published rule leaves it behind: no key is renamed, and 512 channels are not 256.

    See published.md#decoder-reuse.
    """
    target = model(67, channels=SIZE.channels)
    filled, said = taken(pretrained, target, 'semseg')
    own = {name for name in target.state_dict() if name.startswith('decode_head.') and name.endswith('conv.weight')}
    assert own and own <= filled
    assert 'decode_head.conv_seg' in said  # of another data set: left as it was, and said


def test_another_width_is_said_and_kept(pretrained):
    target = model(67)
    filled, said = taken(pretrained, target, 'semseg')
    assert not any(name.startswith('decode_head.') and name.endswith('conv.weight') for name in filled)
    assert 'of another shape (decode_head.' in said
