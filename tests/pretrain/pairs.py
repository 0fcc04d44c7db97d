"""What each of two processes does in the tests of test_communicator.py."""
import os

import torch
from mmdet.models.task_modules.samplers import RandomSampler
from torch import distributed
from torch.distributed.launcher.api import LaunchConfig, elastic_launch
from torch.nn.parallel import DistributedDataParallel

from mtp.errors import run_main
from mtp.pretrain import cli
from mtp.pretrain.data import batch
from mtp.pretrain.engine import heartbeat
from mtp.pretrain.model import decoder_configs
from mtp.pretrain.model.model import PretrainModel, total

SIDE = 128
DATASETS = ('sota', 'fast')


def model():
    """A small model whose batch normalisation uses fixed statistics: gloo has no SyncBN."""
    from small_model import Encoder
    torch.manual_seed(0)
    made = PretrainModel(Encoder(), datasets=DATASETS, size=decoder_configs.Size(16, 24, 50, 20, 20, 16), norm='BN')
    for module in made.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.Dropout2d)):
            module.eval()
    return made


def images(ranks):
    """The prepared batch of ``ranks``: one image a data set and rank, with at least as many objects as are sampled.

    Losses are averaged over what a process samples, so equal gradients need equal numbers of samples on both sides.
    """
    batches = {}
    for number, name in enumerate(DATASETS):
        parts = [image(10 * number + rank) for rank in ranks]
        batches[name] = batch.prepare(batch.DatasetBatch(
            torch.stack([picture for picture, _, _ in parts]), [truth for _, truth, _ in parts],
            torch.stack([seg for _, _, seg in parts])))
    return batches


def image(seed):
    generator = torch.Generator().manual_seed(seed)
    count = 6
    low = torch.randint(0, 70, (count, 2), generator=generator).float()
    boxes = torch.cat([low, low + torch.randint(20, 55, (count, 2), generator=generator)], 1)
    masks = torch.zeros(count, SIDE, SIDE, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int()):
        mask[y1:y2, x1:x2] = 1
    rboxes = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2],
                        torch.rand(count, 1, generator=generator) - 0.5], 1)
    labels = torch.randint(0, 18, (count,), generator=generator)
    picture = torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8, generator=generator)
    seg = torch.randint(0, 3, (SIDE, SIDE), dtype=torch.uint8, generator=generator)
    return picture, batch.Truth((SIDE, SIDE), boxes, labels, masks, rboxes, labels), seg


def gradients(words):
    """Write the gradients of rank ``words[1]`` of ``words[2]`` to the file ``words[0]``."""
    path, rank, world = words[0], int(words[1]), int(words[2])
    torch.set_num_threads(1)
    RandomSampler.random_choice = lambda self, gallery, num: gallery[:num]
    network = wrapped = model()
    if world > 1:
        distributed.init_process_group('gloo', init_method='file://' + path + '.meeting', rank=rank, world_size=world)
        wrapped = DistributedDataParallel(network)
    total(wrapped(images([rank] if world > 1 else [0, 1]))).backward()
    torch.save({name: value.grad for name, value in network.named_parameters() if value.grad is not None},
               f'{path}.{rank}')


def launched(words):
    """Two processes of :func:`train` under torchrun's agent; it forks them, so that they need not import anything."""
    config = LaunchConfig(1, 1, 2, run_id='pair', start_method='fork', rdzv_backend='static', max_restarts=0,
                          rdzv_endpoint='127.0.0.1:' + words[0], rdzv_configs={'rank': 0}, monitor_interval=0.2)
    elastic_launch(config, _worker)(words[1], words[2:])


def _worker(folder, words):
    with open(os.path.join(folder, 'pid' + os.environ['RANK']), 'w') as stream:
        stream.write(str(os.getpid()))
    run_main(lambda: train(words))


def train(words):
    """Pretraining that notices a dead neighbour soon."""
    heartbeat.BEAT, heartbeat.SILENCE = 0.2, float(os.environ.get('SILENCE', heartbeat.SILENCE))
    heartbeat.Heartbeat.__init__.__defaults__ = (heartbeat.SILENCE,)
    return cli.main(words)
