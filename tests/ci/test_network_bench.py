"""The network benchmark: what it counts as matrix products, what it concludes, and how it takes a published checkout.

The checkout here is a stand-in of two modules with the published names, which are made of ours.
"""
import os
import sys

import pytest
import torch

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir, 'ci', 'bench')
sys.path.insert(0, FOLDER)
import network_profile  # noqa: E402
import networks  # noqa: E402


def count_by_hooks(model, image):
    """Multiplications and additions of the layers of a forward pass that mix channels."""
    total = []

    def add(layer, inputs, output):
        if isinstance(layer, torch.nn.Conv2d) and layer.groups > 1:
            return  # a depthwise convolution is no matrix product
        per_output = layer.weight[0].numel()
        total.append(2 * output.numel() * per_output)

    for module in model.modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            module.register_forward_hook(add)
    with torch.no_grad():
        model(image)
    return sum(total)


def test_products_of_internimage_are_its_layers():
    model, image = networks.make('internimage_t_128', 'cpu')
    found = network_profile.products('internimage_t', model, 128)
    assert network_profile.operations(found, False) == count_by_hooks(model, image)


def test_products_of_the_vit():
    """Blocks and patches as its layers have them; attention and the pyramid from the formulas of the paper."""
    model, image = networks.make('rvsa_t_224', 'cpu')
    found = network_profile.products('vit_t_rvsa', model, 224)
    tokens, dim, full, windowed = 196, 128, 2, 4
    attention = 2 * tokens * 2 * dim * (full * tokens + windowed * 49)
    pyramid = 2 * tokens * dim * dim * (4 + 16 + 4)
    predicted = 2 * 4 * windowed * dim * 5 * 4  # offsets, scales and angles of 4 windows: too small to be in the list
    by_hooks = count_by_hooks(model, image)
    assert by_hooks <= network_profile.operations(found, False) - attention - pyramid <= by_hooks + predicted
    forward = network_profile.operations(found, False)
    assert network_profile.operations(found, True) == 3 * forward - 2 * tokens * 768 * dim


@pytest.mark.parametrize('alone, words', [(0.6, 'within reach'), (0.9, 'out of reach')])
def test_the_verdict_follows_from_the_floor(alone, words):
    share = network_profile.Share({'aten::mm': 0.8, 'aten::add': 0.15, 'aten::convolution': 0.05})
    assert share.total == pytest.approx(1.) and share.products == pytest.approx(0.85)
    assert share.others == [('add', 0.15)]
    lines = network_profile.report('x', {'published': 1.2, 'ours': 1.0}, {'published': share, 'ours': share}, 1e11,
                                   alone, 2e11, 1.4)
    assert words in lines[-1] and f'{1.2 / alone:.2f} times' in lines[-2] and 'ours reaches 1.20' in lines[-2]


VIT = """
from mtp.nn import RVSA

class ViT_Win_RVSA_V3_WSZ7(RVSA):
    pass
"""
INTERN = """
import DCNv3
import pkg_resources
from mtp.nn import InternImage as Ours

VERSION = pkg_resources.get_distribution('DCNv3').version

class InternImage(Ours):
    def __init__(self, core_op, **settings):
        super().__init__(**settings)
"""


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / 'Multi-Task_Pretrain' / 'backbone'
    folder.mkdir(parents=True)
    (folder / 'vit_win_rvsa_v3_wsz7.py').write_text(VIT)
    (folder / 'intern_image.py').write_text(INTERN)
    return str(tmp_path)


@pytest.mark.parametrize('case', networks.QUICK)
def test_all_ways_compute_the_same(case, checkout):
    model, image = networks.make(case, 'cpu')
    parts = networks.STEPS['vit' if case.startswith('rvsa') else 'intern']
    names = ['published', 'ours'] + ['published+' + '+'.join(parts[:number + 1]) for number in range(len(parts))]
    ways = {name: networks.runner(name, case, model, checkout) for name in names}
    assert networks.check_equal(ways, model, image, torch.float32) < 1e-4
    ways['ours'] = lambda image: [m + 1 for m in model(image)]
    with pytest.raises(SystemExit, match='different functions'):
        networks.check_equal(ways, model, image, torch.float32)


def test_each_part_of_ours_takes_its_place(checkout):
    model, _ = networks.make('rvsa_t_224', 'cpu')
    mixed = networks.runner('published+window+pyramid', 'rvsa_t_224', model, checkout)
    for block, own in zip(mixed.blocks, model.blocks):
        assert (block.attn is own.attn) == (not hasattr(own.attn, 'has_position'))
    assert mixed.fpn1 is model.fpn1 and mixed.blocks is not model.blocks
    model, _ = networks.make('internimage_t_128', 'cpu')
    mixed = networks.runner('published+dcn', 'internimage_t_128', model, checkout)
    assert mixed.levels[2].blocks[1].dcn is model.levels[2].blocks[1].dcn


@pytest.mark.parametrize('given', [True, False])
def test_the_whole_of_it(given, checkout, capsys):
    words = ['rvsa_t_224', '--quick', '--rounds', '0', '--threads', str(torch.get_num_threads()), '--device', 'cpu']
    networks.main(words + ['--only', 'forward'] + (['--published', checkout] if given else []))
    said = capsys.readouterr().out
    assert 'rvsa_t_224, forward' in said and 'ours:' in said and 'floor:' in said
    for words in ('published: ', 'published+pyramid+full', 'times the published code'):
        assert (words in said) == given
    assert ('--published FOLDER compares' in said) != given


def test_what_is_no_checkout_is_said(tmp_path, capsys):
    model, _ = networks.make('rvsa_t_224', 'cpu')
    with pytest.raises(SystemExit, match='vit_win_rvsa_v3_wsz7.py is not there'):
        networks.runner('published', 'rvsa_t_224', model, str(tmp_path))
    with pytest.raises(SystemExit):
        networks.main(['--steps'])
    assert '--published FOLDER' in capsys.readouterr().err


def test_unknown_cases_are_named(capsys):
    with pytest.raises(SystemExit):
        networks.main(['rvsa_x'])
    assert 'no case rvsa_x; there are rvsa_b_448' in capsys.readouterr().err
