"""The whole multi-task model of the golden files, its batch, losses and gradients, on any device. Needs OpenMMLab 2."""
import json
import os
from unittest import mock

import golden_files
import torch
from fill import fill, multitask_sample
from mmdet.models.task_modules.samplers import RandomSampler
from torch import nn

import mtp.nn
from mtp.pretrain import tasks
from mtp.pretrain.data import batch
from mtp.pretrain.model.model import PretrainModel, total

FOLDER = os.path.dirname(golden_files.__file__)


def read(name):
    """Content of ``multitask_<name>.json``."""
    with open(os.path.join(FOLDER, f'multitask_{name}.json'), encoding='utf-8') as stream:
        return json.load(stream)


def golden_batch(base, classes, count=2, device='cpu'):
    """The samples base, base + 1, ... of the golden files as a prepared batch."""
    samples = [multitask_sample(base + index, classes) for index in range(count)]
    tensors = [{key: torch.from_numpy(value) for key, value in sample.items()} for sample in samples]
    truths = [batch.Truth((224, 224), t['hboxes'], t['labels'], t['masks'], t['rboxes'], t['labels']) for t in tensors]
    raw = batch.DatasetBatch(torch.stack([t['img'] for t in tensors]), truths, torch.stack([t['seg'] for t in tensors]))
    return batch.prepare(raw.to(device))


def golden_model(recipe, device='cpu'):
    """The reduced model with its golden weights, in training mode without dropout."""
    encoder = mtp.nn.build('vit_t_rvsa', img_size=224, embed_dim=64, drop_path_rate=0.)
    model = fill(PretrainModel(encoder, ('ss', 'is', 'rd'), recipe=recipe)).train()
    for module in model.modules():
        if isinstance(module, (nn.Dropout, nn.Dropout2d)):
            module.p = 0.
    return model.to(device)


def losses_of(model, device='cpu'):
    """Every loss of one golden batch; the samplers take the first of each gallery, as the golden files did."""
    batches = {name: golden_batch(100 * tasks.number(name), tasks.CLASS_COUNTS[name], device=device)
               for name in tasks.DATASETS}
    with mock.patch.object(RandomSampler, 'random_choice', lambda self, gallery, num: gallery[:num]):
        return model(batches)


def differences(recipe='paper', device='cpu'):
    """{loss: difference from the golden value, relative to it} of the thirty losses and their total."""
    expected = read('losses_' + recipe)
    with torch.no_grad():
        losses = losses_of(golden_model(recipe, device), device)
    found = {name: float(value) for name, value in losses.items() if 'loss' in name}
    found['total'] = float(total(losses))
    return {name: abs(value - expected[name]) / abs(expected[name]) for name, value in found.items()}
