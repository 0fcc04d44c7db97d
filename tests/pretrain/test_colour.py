"""Colour distortion on valid value ranges, and the released code's way (published.md#colour-distortion)."""
import numpy as np

from mtp.pretrain.data import colour
from mtp.pretrain.data.samples import generator


def image():
    return generator(1).integers(30, 220, (24, 24, 3)).astype(np.uint8)


def grey_share(picture):
    return float((np.ptp(picture.astype(np.float32), axis=2) < 1).mean())


def test_bytes_stay_bytes_and_colours_survive():
    found = [colour.distort(image(), generator(2, number)) for number in range(60)]
    assert all(item.dtype == np.uint8 and item.shape == (24, 24, 3) for item in found)
    assert max(grey_share(item) for item in found) < 0.2
    assert len({item.tobytes() for item in found}) > 40
    assert any((item == image()).all() for item in found)  # all coins said no


def test_floats_lose_their_colour_in_some_samples():
    found = [colour.distort(image().astype(np.float32), generator(2, number)) for number in range(60)]
    assert max(grey_share(item) for item in found) > 0.5


def test_a_key_gives_the_same_picture():
    assert (colour.distort(image(), generator(7, 1)) == colour.distort(image(), generator(7, 1))).all()
