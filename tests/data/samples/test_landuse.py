"""Scenes of one land use."""
import numpy as np
import pytest

from mtp.data import catalogue
from mtp.data.samples import landuse

CLASSES = catalogue.get('eurosat').classes + catalogue.get('resisc45').classes


def test_every_class_has_a_scene():
    assert sorted(landuse.SCENES) == sorted(CLASSES)


@pytest.mark.parametrize('size', [64, 256])
def test_scenes_are_seeded_and_differ(size):
    for kind in CLASSES[::9]:
        first, again, other = (landuse.draw(np.random.default_rng(seed), kind, size) for seed in (1, 1, 2))
        assert first.shape == (size, size, 3) and first.dtype == np.uint8
        assert np.array_equal(first, again) and not np.array_equal(first, other)
