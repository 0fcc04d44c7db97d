"""The UNet decoder of change detection; needs Open-CD, which comes from a Git host."""
import pytest
import torch

pytest.importorskip('opencd', reason='Open-CD is not installed: its Git host could not be reached')

from mtp.adapters.mmrotate1.change import UNetHead  # noqa: E402


def head(channels):
    return UNetHead(encoder_channels=channels, decoder_channels=[32, 16, 8, 4], in_channels=channels,
                    in_index=[0, 1, 2, 3], channels=4, num_classes=2, norm_cfg=dict(type='BN')).eval()


def test_keys_are_the_published_ones():
    names = [name for name, _ in head([16] * 4).named_parameters()]
    assert len(names) == 26
    assert {'blocks.0.conv1.0.weight', 'blocks.3.conv2.1.bias', 'conv_seg.weight'} <= set(names)


def test_output_is_twice_the_input_for_maps_of_one_stride_and_the_input_for_a_pyramid():
    """finetuning 2.5: the ViT's maps all have stride 16, InternImage's 4 to 32."""
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
