"""Checks of ``ci/gpu`` that compute in this process: networks, losses, half precision, operators, detections.

Each takes the name of a device and gives :class:`Figure` values. On a card the CPU is the reference; on a CPU it is the
golden files, NumPy or plain PyTorch, so that every line of a check runs there, too.
"""
import importlib
import importlib.util
import os
import sys
from typing import NamedTuple, Optional

import numpy as np
import torch

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'tests', 'golden')]

import golden_networks  # noqa: E402
from golden_files import normal, probe_loss  # noqa: E402

from mtp.boxes.iou import rotated_iou_matrix  # noqa: E402
from mtp.boxes.nms import rotated_nms  # noqa: E402
from mtp.nn import dcnv3  # noqa: E402

#: A number that was found, and the largest one that is good; None: it is only told.
Figure = NamedTuple('Figure', [('what', str), ('value', float), ('allowed', Optional[float])])
HALF = {'fp16': torch.float16, 'bf16': torch.bfloat16}
OF_HALF = 2e-2  # of the maps' norm
ON_CARD = {'network': 5e-4, 'losses': 1e-3, 'checkpointing': 1e-5, 'operator': 1e-4}  # sums in another order
ON_CPU = {'network': 1e-4, 'losses': 1e-3, 'checkpointing': 0., 'operator': 1e-4}


class NotHere(Exception):
    """Why a check cannot be made on this machine or in this environment."""


def allowed(device, what):
    """The largest difference of ``what`` on ``device``."""
    return (ON_CPU if device == 'cpu' else ON_CARD)[what]


def networks(device):
    """Golden networks in fp32 without TF32: outputs, loss, gradients of the input and of every parameter."""
    return [Figure(case, max(golden_networks.differences(case, device).values()), allowed(device, 'network'))
            for case in golden_networks.CASES]


def losses(device):
    """The thirty losses of the multi-task model and their total, both recipes."""
    if importlib.util.find_spec('mmpretrain') is None:
        raise NotHere('pretraining wants OpenMMLab 2')
    golden = importlib.import_module('golden_losses')
    found = {recipe: golden.differences(recipe, device) for recipe in ('paper', 'released_code')}
    return [Figure(f'{len(each) - 1} losses, {recipe}', max(each.values()), allowed(device, 'losses'))
            for recipe, each in found.items()]


def half(device):
    """Maps under autocast against fp32 on the same device."""
    found = []
    for name, dtype in HALF.items():
        if device == 'cpu' and (dtype == torch.float16 or not _exact_products(dtype)):
            continue  # torch 1.10 sums bfloat16 products in bfloat16 on processors without AVX-512
        for case in golden_networks.CASES:
            model, image = golden_networks.model_and_image(case, device)
            with torch.no_grad():
                exact = model(image)
                with torch.autocast(device, dtype=dtype):
                    rough = model(image)
            apart = max(float((a - b.float()).norm() / a.norm()) for a, b in zip(exact, rough))
            found.append(Figure(f'{name}, {case}', apart, OF_HALF))
    if not found:
        raise NotHere('no half precision on this processor with torch ' + torch.__version__)
    return found


def _exact_products(dtype):
    a, b = normal(1, 64, 768), normal(2, 768, 64)
    exact = a.to(dtype).float() @ b.to(dtype).float()
    return bool((torch.matmul(a.to(dtype), b.to(dtype)).float() - exact).norm() < 5e-3 * exact.norm())


def checkpointing(device):
    """Gradients with activations computed again against those with activations kept, drop path included."""
    found = []
    for case in ('rvsa/rvsa_112', 'internimage/intern_128'):
        word = golden_networks.CHECKPOINTING[case.split('/')[0]]
        kept, again = (_gradients(case, device, {word: again}) for again in (False, True))
        apart = max(float((a - b).abs().max() / a.abs().max().clamp(min=1e-12)) for a, b in zip(kept, again))
        found.append(Figure(case, apart, allowed(device, 'checkpointing')))
    return found


def _gradients(case, device, settings):
    model, image = golden_networks.model_and_image(case, device, drop_path_rate=0.3, **settings)
    torch.manual_seed(0)
    probe_loss([each.cpu() for each in model.train()(image)]).backward()
    return [p.grad for p in model.parameters() if p.grad is not None]


def operators(device):
    """Rotated IoU, both NMS, RoIAlignRotated and DCNv3."""
    try:
        ops = importlib.import_module('mmcv.ops')
    except ImportError as error:
        raise NotHere(f'no mmcv.ops: {error}')
    if device != 'cpu' and ops.get_compiling_cuda_version() == 'not available':
        raise NotHere('the operators of this mmcv were compiled for processors alone')
    found = {'box_iou_rotated': _iou(ops, device), 'nms_rotated': _nms(ops, device),
             'nms': _upright_nms(ops, device), 'RoIAlignRotated': _roi_align(ops, device), 'DCNv3': _dcn(device)}
    return [Figure(name, value, allowed(device, 'operator')) for name, value in found.items()]


def _rotated(count=300):
    r = np.random.RandomState(0)
    return np.column_stack((r.uniform(0, 200, (count, 2)), r.uniform(4, 60, (count, 2)),
                            r.uniform(-np.pi / 2, np.pi / 2, count))).astype(np.float32), r.permutation(count) / count


def _iou(ops, device):
    rows = _rotated()[0]
    given = torch.from_numpy(rows)
    expected = rotated_iou_matrix(rows, rows) if device == 'cpu' else ops.box_iou_rotated(given, given).numpy()
    return golden_networks.relative(ops.box_iou_rotated(given.to(device), given.to(device)).cpu(), expected)


def _nms(ops, device):
    """Boxes that one keeps and the other does not."""
    rows, scores = _rotated()
    given, order = torch.from_numpy(rows), torch.from_numpy(scores).float()
    expected = rotated_nms(rows, scores, 0.1) if device == 'cpu' else ops.nms_rotated(given, order, 0.1)[1].numpy()
    kept = ops.nms_rotated(given.to(device), order.to(device), 0.1)[1].cpu().numpy()
    return float(len(set(kept.tolist()) ^ set(np.asarray(expected).tolist())))


def _upright_nms(ops, device):
    rows, scores = _rotated()
    corners = torch.from_numpy(np.column_stack((rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2)))
    order = torch.from_numpy(scores).float()
    if device == 'cpu':  # an upright box is one that is turned by nothing
        expected = rotated_nms(np.column_stack((rows[:, :4], 0 * rows[:, 4])), scores, 0.1).tolist()
    else:
        expected = ops.nms(corners, order, 0.1)[1].tolist()
    return float(len(set(ops.nms(corners.to(device), order.to(device), 0.1)[1].tolist()) ^ set(expected)))


def _roi_align(ops, device):
    """Values and gradient; on a CPU without an angle against RoIAlign."""
    rows = torch.from_numpy(_rotated(20)[0])
    first = torch.zeros(20, 1)
    corners = torch.cat((first, rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2), 1)
    if device == 'cpu':
        rows[:, 4] = 0

    def values(layer, rois, where):
        image = normal(5, 1, 8, 50, 50).to(where).requires_grad_()
        out = layer(image, rois.to(where))
        return [out.detach().cpu(), torch.autograd.grad(out.square().sum(), image)[0].cpu()]

    turned = ops.RoIAlignRotated(7, 0.25, 2)
    rois = torch.cat((first, rows), 1)
    expected = values(ops.RoIAlign(7, 0.25, 2), corners, 'cpu') if device == 'cpu' else values(turned, rois, 'cpu')
    return max(golden_networks.relative(a, b) for a, b in zip(values(turned, rois, device), expected))


def _dcn(device):
    """Values and all gradients; on a CPU through mmcv's own plain form of the operator that a card computes by."""
    plain_form = importlib.import_module('mmcv.ops.multi_scale_deform_attn').multi_scale_deformable_attn_pytorch

    def by_attention(*inputs):
        return dcnv3.as_attention(lambda v, shapes, _, at, w, step: plain_form(v, shapes, at, w), *inputs)

    def values(function, where):
        value, offset, mask = (each.to(where).requires_grad_() for each in (
            normal(1, 2, 13, 9, 48), 2 * normal(2, 2, 13, 9, 54), normal(3, 2, 13, 9, 3, 9).softmax(-1).flatten(3)))
        out = function(value, offset, mask, 3, 2.0)
        grads = torch.autograd.grad((out * out.detach().cos()).sum(), (value, offset, mask))
        return [each.detach().cpu() for each in (out, *grads)]

    if device != 'cpu':
        importlib.import_module('mtp.adapters.deformable').give()
    found = values(by_attention if device == 'cpu' else dcnv3.dcnv3, device)
    return max(golden_networks.relative(a, b) for a, b in zip(found, values(dcnv3.dcnv3, 'cpu')))


def detections(device):
    """A small Oriented R-CNN whose detections are golden."""
    golden = importlib.import_module('golden_detector')
    number = golden.generation()
    if number is None:
        raise NotHere('no MMRotate')
    apart = golden.differences(golden.detect(golden.filled(number, device), number),
                               np.array(golden.read()['detections']))
    bounds = dict(objects=0, pixels=2e-2, scores=1e-4, turns=1e-3)
    return [Figure(name, value, bounds[name]) for name, value in apart.items()]
