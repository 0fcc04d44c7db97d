"""A detector of MMRotate 1.x, converted, gives the same detections in 0.3.4 (tests/golden/golden_detector.py)."""
import importlib
import os
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, os.pardir, 'golden'), os.path.join(HERE, os.pardir, os.pardir)]
import golden_detector as golden  # noqa: E402

from mtp.checkpoints.__main__ import main  # noqa: E402
from mtp.errors import OK  # noqa: E402


def same(found, expected):
    """Equal but for the two ways to write one rectangle."""
    assert len(found) == len(expected)
    assert (found[:, 0] == expected[:, 0]).all()
    assert np.abs(found[:, 1:6] - expected[:, 1:6]).max() < 1e-2
    turn = (found[:, 6] - expected[:, 6] + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(turn).max() < 1e-3


@pytest.mark.skipif(golden.generation() is None, reason='no MMRotate in this Python')
def test_detections_are_the_same_in_both_generations(tmp_path):
    content = golden.read()
    expected = np.array(content['detections'])
    number = golden.generation()
    model = golden.detector(number)
    source, path = str(tmp_path / 'epoch_12.pth'), str(tmp_path / 'converted.pth')
    torch.save(OrderedDict(meta=dict(dataset_meta=dict(classes=golden.CLASSES, palette=None), mmengine_version='0.8.4'),
                           state_dict=golden.weights(content['keys'])), source)
    if number == 1:
        path = source
    else:
        assert main(['convert', source, path, '--to', 'mmrotate03']) == OK
    loader = importlib.import_module('mmengine.runner' if number == 1 else 'mmcv.runner')
    checkpoint = loader.load_checkpoint(model, path, map_location='cpu', strict=True)  # the toolbox's own way
    if number == 0:
        assert checkpoint['meta']['CLASSES'] == golden.CLASSES
    same(golden.detect(model, number), expected)
    assert len(expected) > 20 and len(set(expected[:, 0])) == len(golden.CLASSES)
