"""The network benchmark: what it counts as matrix products, what it concludes, and that its ways are equal."""
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
    """Blocks and patches as its layers have them; attention and the pyramid from the formulas of the spec."""
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
    lines = network_profile.report('x', {'plain': 1.2, 'ours': 1.0}, {'plain': share, 'ours': share}, 1e11, alone, 2e11,
                                   1.4)
    assert words in lines[-1] and '{:.2f} times'.format(1.2 / alone) in lines[-2] and 'ours reaches 1.20' in lines[-2]


@pytest.mark.parametrize('case', networks.QUICK)
def test_all_ways_compute_the_same(case):
    model, image = networks.make(case, 'cpu')
    parts = networks.STEPS['vit' if case.startswith('rvsa') else 'intern']
    names = ['plain', 'ours'] + ['plain+' + '+'.join(parts[:number + 1]) for number in range(len(parts))]
    ways = {name: networks.runner(name, case, model) for name in names}
    assert networks.check_equal(ways, model, image, torch.float32) < 1e-4
    ways['ours'] = lambda image: [m + 1 for m in model(image)]
    with pytest.raises(SystemExit, match='different functions'):
        networks.check_equal(ways, model, image, torch.float32)


def test_the_profile_as_a_whole(capsys):
    networks.main(['rvsa_t_224', '--profile', '--rounds', '1', '--threads', str(torch.get_num_threads()), '--device',
                   'cpu', '--only', 'forward'])
    said = capsys.readouterr().out
    assert 'rvsa_t_224, forward' in said and 'plain:' in said and 'ours:' in said and 'floor:' in said


def test_unknown_cases_are_named(capsys):
    with pytest.raises(SystemExit):
        networks.main(['rvsa_x'])
    assert 'no case rvsa_x; there are rvsa_b_448' in capsys.readouterr().err
