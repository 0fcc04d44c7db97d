"""A detector of MMRotate 1.x, converted, gives the same detections in 0.3.4.

tests/golden/oriented_detections.json was written by MMRotate 1.0.0rc1 (``python
tests/checkpoints/test_two_generations.py`` in that environment). The weights follow from the key names,
so both environments hold the same detector.
"""
import importlib
import json
import os
import sys
from collections import OrderedDict

import numpy as np
import pytest
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, os.pardir, os.pardir)
sys.path[:0] = [os.path.join(HERE, os.pardir, 'golden'), ROOT]
from fill import fill, normal  # noqa: E402

from mtp.checkpoints.__main__ import main  # noqa: E402
from mtp.errors import OK  # noqa: E402
from mtp.nn import RVSA  # noqa: E402

GOLDEN = os.path.join(ROOT, 'tests', 'golden', 'oriented_detections.json')
CLASSES = tuple('class {}'.format(i) for i in range(4))
SIZE = 128


def generation():
    """1 or 0, or None where there is no mmrotate."""
    try:
        return int(importlib.import_module('mmrotate').__version__.split('.')[0])
    except ImportError:
        return None


def settings(env):
    """The published model of the environment, narrow and for four classes."""
    scope = {}
    with open(os.path.join(ROOT, 'configs', '_base_', env, 'models', 'oriented_rcnn.py')) as stream:
        exec(stream.read(), scope)
    model = scope['model']
    model['backbone'] = dict(type='ReducedRVSA')
    model['neck'].update(in_channels=[32] * 4, out_channels=16)
    model['rpn_head'].update(in_channels=16, feat_channels=16)
    model['roi_head']['bbox_roi_extractor']['out_channels'] = 16
    model['roi_head']['bbox_head'].update(in_channels=16, fc_out_channels=32, num_classes=len(CLASSES))
    model['test_cfg']['rpn'].update(nms_pre=50, max_per_img=60)
    return model


class ReducedRVSA(RVSA):
    """The detection backbone of both environments, narrow."""

    def __init__(self):
        super().__init__(img_size=SIZE, embed_dim=32, depth=6, num_heads=2, qkv_bias=True, use_abs_pos_emb=True,
                         out_indices=[1, 2, 4, 5], variant='det_branches')


def detector(generation_number):
    if generation_number == 1:
        from mmengine.registry import init_default_scope
        from mmrotate.registry import MODELS
        from mmrotate.utils import register_all_modules
        register_all_modules(init_default_scope=False)
        MODELS.register_module(module=ReducedRVSA, force=True)
        init_default_scope('mmrotate')
        from mmengine.config import ConfigDict
        return MODELS.build(ConfigDict(settings('mmrotate1'))).eval()
    from mmcv import ConfigDict
    from mmrotate.models import ROTATED_BACKBONES, build_detector
    ROTATED_BACKBONES.register_module(module=ReducedRVSA, force=True)
    model = settings('mmrotate03')
    model.pop('train_cfg')
    return build_detector(ConfigDict(model)).eval()


def detect(model, generation_number):
    """(n, 7) label, score, cx, cy, w, h, angle of one image, best first."""
    image = normal(3, 1, 3, SIZE, SIZE)
    meta = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), pad_shape=(SIZE, SIZE))
    with torch.no_grad():
        if generation_number == 1:
            from mmdet.structures import DetDataSample
            sample = DetDataSample(metainfo=dict(meta, scale_factor=(1., 1.)))
            found = model.predict(image, [sample])[0].pred_instances
            boxes = getattr(found.bboxes, 'tensor', found.bboxes)
            rows = torch.cat((found.labels[:, None].float(), found.scores[:, None], boxes), 1).numpy()
        else:
            meta = {key: value + (3,) for key, value in meta.items()}
            per_class = model.simple_test(image, [dict(meta, scale_factor=np.ones(4, np.float32), flip=False)])[0]
            rows = np.concatenate([np.column_stack((np.full(len(boxes), label), boxes[:, 5], boxes[:, :5]))
                                   for label, boxes in enumerate(per_class)])
    return rows[np.argsort(-rows[:, 1], kind='stable')]


def same(found, expected):
    """Equal but for the two ways to write one rectangle."""
    assert len(found) == len(expected)
    assert (found[:, 0] == expected[:, 0]).all()
    assert np.abs(found[:, 1:6] - expected[:, 1:6]).max() < 1e-2
    turn = (found[:, 6] - expected[:, 6] + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(turn).max() < 1e-3


@pytest.mark.skipif(generation() is None, reason='no MMRotate in this Python')
def test_detections_are_the_same_in_both_generations(tmp_path):
    with open(GOLDEN) as stream:
        golden = json.load(stream)
    expected = np.array(golden['detections'])
    number = generation()
    model = detector(number)
    source, path = str(tmp_path / 'epoch_12.pth'), str(tmp_path / 'converted.pth')
    torch.save(OrderedDict(meta=dict(dataset_meta=dict(classes=CLASSES, palette=None), mmengine_version='0.8.4'),
                           state_dict=weights(golden['keys'])), source)
    if number == 1:
        path = source
    else:
        assert main(['convert', source, path, '--to', 'mmrotate03']) == OK
    loader = importlib.import_module('mmengine.runner' if number == 1 else 'mmcv.runner')
    checkpoint = loader.load_checkpoint(model, path, map_location='cpu', strict=True)  # the toolbox's own way
    if number == 0:
        assert checkpoint['meta']['CLASSES'] == CLASSES
    same(detect(model, number), expected)
    assert len(expected) > 20 and len(set(expected[:, 0])) == len(CLASSES)


def weights(shapes):
    """State dict with the deterministic values of every key of MMRotate 1.x."""
    class Holder:
        def state_dict(self):
            return OrderedDict((key, torch.zeros(shape) if kind == 'float32' else index_table(shape))
                               for key, (shape, kind) in shapes.items())

        def load_state_dict(self, state):
            self.state = state

    state = fill(Holder()).state
    for key in state:
        if key.endswith(('_reg.weight', '_reg.bias')):
            state[key] = state[key] * 0.2  # boxes of the size of their anchors
    return OrderedDict(state)


def index_table(shape):
    from mtp.nn.window_attention import window_bias_index
    assert shape == [49, 49]
    return window_bias_index(7)


def write_golden():
    model = detector(1)
    keys = {key: (list(value.shape), str(value.dtype)[6:]) for key, value in model.state_dict().items()}
    model.load_state_dict(weights(json.loads(json.dumps(keys))))
    rows = [[float('{:.6g}'.format(x)) for x in row] for row in detect(model, 1)]
    with open(GOLDEN, 'w') as stream:
        lines = ['{}: {}'.format(json.dumps(key), json.dumps(value)) for key, value in keys.items()]
        stream.write('{"keys": {\n' + ',\n'.join(lines))
        stream.write('},\n"detections": [\n' + ',\n'.join(json.dumps(row) for row in rows) + ']}\n')
    print(len(rows), 'detections')


if __name__ == '__main__':
    write_golden()
