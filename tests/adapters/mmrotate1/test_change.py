"""The UNet decoder of change detection, and the pictures of what it finds."""
import glob
import os
import subprocess
import sys

import cv2
import pytest
import torch

from mtp.adapters.mmrotate1.change_detection.models import UNetHead
from tests import environments


def head(channels):
    return UNetHead(encoder_channels=channels, decoder_channels=[32, 16, 8, 4], in_channels=channels,
                    in_index=[0, 1, 2, 3], channels=4, num_classes=2, norm_cfg=dict(type='BN')).eval()


def test_keys_are_the_published_ones():
    names = [name for name, _ in head([16] * 4).named_parameters()]
    assert len(names) == 26
    assert {'blocks.0.conv1.0.weight', 'blocks.3.conv2.1.bias', 'conv_seg.weight'} <= set(names)


def test_output_is_twice_the_input_for_maps_of_one_stride_and_the_input_for_a_pyramid():
    """The (published.md#change-detection-head) ViT's maps all have stride 16, InternImage's 4 to 32."""
    with torch.no_grad():
        assert head([16] * 4)([torch.zeros(1, 16, 4, 4)] * 4).shape == (1, 2, 128, 128)
        sizes = (16, 8, 4, 2)
        maps = [torch.zeros(1, width, size, size) for width, size in zip((8, 16, 32, 64), sizes)]
        assert head([8, 16, 32, 64])(maps).shape == (1, 2, 64, 64)


@pytest.mark.parametrize('level', range(4))
def test_every_map_counts(level):
    module, maps = head([16] * 4), [torch.randn(1, 16, 4, 4) for _ in range(4)]
    changed = [item + 1 if index == level else item for index, item in enumerate(maps)]
    with torch.no_grad():
        assert not torch.equal(module(maps), module(changed))


def test_of_two_processes_the_first_draws_and_neither_fails(tmp_path):
    script = os.path.join(environments.ROOT, 'tests', 'adapters', 'mmrotate1', 'change_drawing.py')
    words = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc_per_node=2', script, str(tmp_path)]
    done = subprocess.run(words, env=dict(os.environ, PYTHONPATH=environments.ROOT), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()[-3000:]
    drawn = {os.path.basename(path): cv2.imread(path)[..., ::-1].tolist()
             for path in glob.glob(str(tmp_path / '**' / '*.png'), recursive=True)}
    assert drawn == {'of_0.png': [[[0, 0, 0], [255, 0, 0]], [[255, 0, 0], [0, 0, 0]]]}
