"""Detectors and segmentors are the toolboxes' own but for what the paper changed.

See published.md#settings-by-data-set.
"""
import importlib.util
import os

import pytest

from tests.configs import resolved

# toolbox -> package and file of the stock config in it.
FILES = {
    ('mmdet', 'dior'): ('mmdet', '_base_/models/faster-rcnn_r50_fpn.py'),
    ('mmdet', 'xview'): ('mmdet', '_base_/models/retinanet_r50_fpn.py'),
    ('mmrotate', 'mmrotate1'): ('mmrotate', 'oriented_rcnn/oriented-rcnn-le90_r50_fpn_1x_dota.py'),
    ('mmrotate', 'mmrotate03'): ('mmrotate', 'oriented_rcnn/oriented_rcnn_r50_fpn_1x_dota_le90.py'),
    ('mmseg', 'loveda'): ('mmseg', '_base_/models/upernet_r50.py'),
    ('mmseg', 'spacenetv1'): ('mmseg', '_base_/models/upernet_r50.py'),
}
# What a leaf says itself, and what no published run has.
OWN = ('backbone', 'in_channels', 'num_classes', 'size', 'pretrained', 'auxiliary_head')
# Segmentation slides a window over the test images: side and stride.
SLIDES = {'loveda': (512, 384), 'spacenetv1': (384, 256)}
RUNS = [run for run in resolved.HERE
        if run['init'].endswith('mtp') and run['toolbox'].startswith(('mmdet', 'mmrotate', 'mmseg'))]


def stock(run):
    toolbox = run['toolbox'].split()[0]
    package, file = FILES[toolbox, run['env'] if toolbox == 'mmrotate' else run['dataset']]
    folder = os.path.dirname(importlib.util.find_spec(package).origin)
    return resolved.load(os.path.join(folder, '.mim', 'configs', file)).model.to_dict()


def leaves(tree, path=''):
    """{path: value} of all that is not the leaf's own."""
    if not isinstance(tree, dict):
        return {path: tuple(tree) if isinstance(tree, list) else tree}
    return {key: value for name, item in tree.items() if name not in OWN
            for key, value in leaves(item, f'{path}.{name}').items()}


@pytest.mark.parametrize('run', RUNS, ids=resolved.name)
def test_only_backbone_classes_and_sizes_are_ours(run):
    ours, theirs = leaves(resolved.load(resolved.path(run)).model.to_dict()), leaves(stock(run))
    if run['dataset'] in SLIDES:
        side, stride = SLIDES[run['dataset']]
        theirs.update({'.test_cfg.mode': 'slide', '.test_cfg.crop_size': (side,) * 2, '.test_cfg.stride': (stride,) * 2,
                       '.decode_head.ignore_index': 255})
    assert len(theirs) > 20
    assert {key: (theirs.get(key), ours.get(key)) for key in set(ours) | set(theirs)
            if ours.get(key) != theirs.get(key)} == {}
