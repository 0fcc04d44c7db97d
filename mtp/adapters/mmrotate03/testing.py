"""Testing with MMRotate 0.3.4: each rank's tiles into its shard, then one merge and one submission.

The toolbox's own loop keeps every result in memory, sends all of it to rank 0 and loses it when that fails
(data_and_submission 0 and 4.5). Here a killed test goes on where it stopped, ranks only meet at the end, and the slow
part needs no distributed model.
"""
from functools import partial

import numpy as np
import torch
from mmcv.parallel import MMDataParallel, collate
from mmrotate.datasets import build_dataset
from mmrotate.models import build_detector
from torch.utils.data import DataLoader, Subset

from mtp.adapters.submission import fingerprint
from mtp.adapters.weights import load_into
from mtp.progress import Progress
from mtp.tiles import shards


def build_test_set(cfg):
    """The test data set of a config."""
    cfg.data.test.test_mode = True
    return build_dataset(cfg.data.test)


def detect(cfg, dataset, checkpoint, folder, rank=0, world=1, device=None):
    """Run the detector over this rank's share of the tiles and append what it finds to the rank's shard.

    Tiles that are in a shard already are passed over.

    Args:
        cfg: the config.
        dataset: from :func:`build_test_set`.
        checkpoint: path of the weights; every tensor of the model has to come from it.
        folder: of the shards.
        rank, world: which of how many processes this is.
        device: number of the GPU; None for the CPU.
    """
    mine = range(rank, len(dataset), world)
    mark = fingerprint({'model': cfg.model.to_dict(), 'pipeline': cfg.data.test.pipeline}, checkpoint)
    with shards.ShardWriter(folder, rank, world, dataset.CLASSES, mark) as writer:
        todo = [index for index in mine if dataset.img_ids[index] not in writer.done]
        progress = Progress('test', total=len(mine), done=len(mine) - len(todo)) if rank == 0 else None
        model = build_model(cfg, checkpoint, device) if todo else None
        for indices, results in _batches(cfg, dataset, todo, model):
            for index, result in zip(indices, results):
                writer.append(dataset.img_ids[index], *_columns(result))
            if progress:
                progress.update(len(indices))
        if progress:
            progress.close()


def build_model(cfg, checkpoint, device=None):
    """The detector with the weights of ``checkpoint``, in evaluation mode, on GPU ``device`` or the CPU."""
    settings = cfg.model.copy()
    settings.train_cfg = None
    model = build_detector(settings, test_cfg=cfg.get('test_cfg'))
    load_into(model, checkpoint, must_fit=True)
    model.eval()
    model = model if device is None else model.cuda(device)
    return MMDataParallel(model, device_ids=[-1 if device is None else device])


def _batches(cfg, dataset, indices, model):
    """Yield (indices, results of these tiles) in order."""
    settings = cfg.data.get('test_dataloader', {})
    size = settings.get('samples_per_gpu', 1)
    loader = DataLoader(Subset(dataset, indices), batch_size=size, num_workers=cfg.data.get('workers_per_gpu', 2),
                        collate_fn=partial(collate, samples_per_gpu=size))
    for number, batch in enumerate(loader):
        with torch.no_grad():
            results = model(return_loss=False, rescale=True, **batch)
        yield indices[number * size:(number + 1) * size], results


def _columns(result):
    """Arrays (n_c, 6) of each class -> boxes (n, 5), scores (n,), labels (n,)."""
    labels = np.repeat(np.arange(len(result)), [len(found) for found in result])
    rows = np.concatenate(result) if len(result) else np.zeros((0, 6), np.float32)
    return rows[:, :5], rows[:, 5], labels


def results_of(dataset, folder):
    """What the toolbox's own loop would have returned: one list of (n_c, 6) arrays a tile, in the data set's order."""
    found = {tile: [np.hstack([boxes, scores[:, None]])[labels == label] for label in range(len(dataset.CLASSES))]
             for tile, boxes, scores, labels in shards.read_shards(folder)}
    return [found[tile] for tile in dataset.img_ids]
