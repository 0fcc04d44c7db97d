"""A small detector whose weights follow from its keys, and the detections that both generations have to find.

oriented_detections.json was written by MMRotate 1.0.0rc1 (``python tests/golden/golden_detector.py`` in that
environment).
"""
import importlib
import json
import os
import sys
from collections import OrderedDict

import numpy as np
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, os.pardir, os.pardir)
sys.path[:0] = [HERE, ROOT]
from fill import fill, normal  # noqa: E402

from mtp.checkpoints import layouts  # noqa: E402
from mtp.nn import RVSA  # noqa: E402

GOLDEN = os.path.join(HERE, 'oriented_detections.json')
CLASSES = tuple(f'class {i}' for i in range(4))
SIZE = 128


def read():
    """``keys`` (name -> shape and dtype) and ``detections`` (rows as :func:`detect` gives them)."""
    with open(GOLDEN, encoding='utf-8') as stream:
        return json.load(stream)


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
    """The detector of this environment, ready to test."""
    if generation_number == 1:
        from mmengine.config import ConfigDict
        from mmengine.registry import DefaultScope
        from mmrotate.registry import MODELS
        from mmrotate.utils import register_all_modules
        register_all_modules(init_default_scope=False)
        MODELS.register_module(module=ReducedRVSA, force=True)
        with DefaultScope.overwrite_default_scope('mmrotate'):
            return MODELS.build(ConfigDict(settings('mmrotate1'))).eval()
    from mmcv import ConfigDict
    from mmrotate.models import ROTATED_BACKBONES, build_detector
    ROTATED_BACKBONES.register_module(module=ReducedRVSA, force=True)
    model = settings('mmrotate03')
    model.pop('train_cfg')
    return build_detector(ConfigDict(model)).eval()


def detect(model, generation_number):
    """(n, 7) label, score, cx, cy, w, h, angle of one image, best first."""
    image = normal(3, 1, 3, SIZE, SIZE).to(next(model.parameters()).device)
    meta = dict(img_shape=(SIZE, SIZE), ori_shape=(SIZE, SIZE), pad_shape=(SIZE, SIZE))
    with torch.no_grad():
        if generation_number == 1:
            from mmdet.structures import DetDataSample
            sample = DetDataSample(metainfo=dict(meta, scale_factor=(1., 1.)))
            found = model.predict(image, [sample])[0].pred_instances
            boxes = getattr(found.bboxes, 'tensor', found.bboxes)
            rows = torch.cat((found.labels[:, None].float(), found.scores[:, None], boxes), 1).cpu().numpy()
        else:
            meta = {key: value + (3,) for key, value in meta.items()}
            per_class = model.simple_test(image, [dict(meta, scale_factor=np.ones(4, np.float32), flip=False)])[0]
            rows = np.concatenate([np.column_stack((np.full(len(boxes), label), boxes[:, 5], boxes[:, :5]))
                                   for label, boxes in enumerate(per_class)])
    return rows[np.argsort(-rows[:, 1], kind='stable')]


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


def filled(number, device='cpu'):
    """The detector with its golden weights on ``device``; in 0.3.4 through our conversion of the keys."""
    model, state = detector(number), weights(read()['keys'])
    if number == 0:
        state = layouts.convert(state, 'mmrotate1', 'mmrotate03').state_dict
    model.load_state_dict(state)
    return model.to(device)


def differences(found, expected):
    """How far detections are from each other: {'objects', 'pixels', 'scores', 'turns'}.

    Every row takes the nearest of its label as its partner, for two of almost one score may change places. objects:
    rows more or fewer; pixels: of centre, width and height; turns: radians, half a circle is none.
    """
    apart = dict(objects=abs(len(found) - len(expected)), pixels=0., scores=0., turns=0.)
    for row in expected:
        same = found[found[:, 0] == row[0]]
        if not len(same):
            return dict.fromkeys(apart, float('inf'))
        near = same[np.abs(same[:, 1:6] - row[1:6]).max(1).argmin()]
        turn = (near[6] - row[6] + np.pi / 2) % np.pi - np.pi / 2
        for name, value in (('scores', near[1] - row[1]), ('pixels', np.abs(near[2:6] - row[2:6]).max()),
                            ('turns', turn)):
            apart[name] = max(apart[name], float(abs(value)))
    return apart


def write_golden():
    model = detector(1)
    keys = {key: (list(value.shape), str(value.dtype)[6:]) for key, value in model.state_dict().items()}
    model.load_state_dict(weights(json.loads(json.dumps(keys))))
    rows = [[float(f'{x:.6g}') for x in row] for row in detect(model, 1)]
    with open(GOLDEN, 'w') as stream:
        lines = [f'{json.dumps(key)}: {json.dumps(value)}' for key, value in keys.items()]
        stream.write('{"keys": {\n' + ',\n'.join(lines))
        stream.write('},\n"detections": [\n' + ',\n'.join(json.dumps(row) for row in rows) + ']}\n')
    print(len(rows), 'detections')


if __name__ == '__main__':
    write_golden()
