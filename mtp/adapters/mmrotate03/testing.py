"""What a test with MMRotate 0.3.4 reads and what can be made of its shards.

The toolbox's own loop keeps every result in memory, sends all of it to rank 0 and loses it when that fails
(published.md#merging). Here results go to shards (:mod:`mtp.adapters.inference`): a killed test goes on where
it stopped, ranks only meet at the end, and the slow part needs no distributed model.
"""
import argparse
import os
from typing import Dict, List, Optional, Sequence

import numpy as np
from mmcv import Config
from mmrotate.datasets import build_dataset
from torch.utils.data import Dataset

from mtp.adapters import command, tile_test
from mtp.adapters.mmrotate03.detector import classes_of
from mtp.tiles import shards


def build_test_set(cfg: Config) -> Dataset:
    """The test data set of a config."""
    cfg.data.test.test_mode = True
    return build_dataset(cfg.data.test)


def source(cfg: Config, args: argparse.Namespace, images: str, readers: int) -> tile_test.Source:
    """Tiles of a test, as :class:`mtp.adapters.tile_test.Source`.

    Args:
        cfg: the config.
        args: options of the command line, for ``cut`` and ``eval``.
        images: folder of the uncut images.
        readers: number of processes that read.
    """
    folder = cfg.data.test.img_prefix
    if args.eval or cfg.data.test.ann_file != folder and os.path.isdir(folder) and not args.cut:
        command.require_folder(folder, 'folder of tiles')
        command.require_folder(cfg.data.test.ann_file, 'folder of labels')

    def files() -> Dict[str, str]:
        dataset = build_test_set(cfg)
        return {tile: os.path.join(folder, info['filename'])
                for tile, info in zip(dataset.img_ids, dataset.data_infos)}
    return tile_test.source(args.cut, folder, files, images, cfg.get('tiling'), readers)


def results_of(cfg: Config, tiles: Sequence[str], folder: str) -> List[List[np.ndarray]]:
    """What the toolbox's own loop would have returned: a list of (n_c, 6) arrays a tile, in the order of ``tiles``."""
    classes = len(classes_of(cfg))
    found = {tile: [np.hstack([boxes, scores[:, None]])[labels == label] for label in range(classes)]
             for tile, boxes, scores, labels in shards.read_shards(folder)}
    return [found[tile] for tile in tiles]


def mean_average_precision(cfg: Config, tiles: Sequence[str], results: List[List[np.ndarray]]) -> Optional[float]:
    """The toolbox's mAP over tiles with labels; None, and a line that says so, where these hold no object."""
    dataset = build_test_set(cfg)
    if not any(len(info['ann']['bboxes']) for info in dataset.data_infos):
        print(f'there is no truth: the labels of the {len(dataset)} tiles hold no object, so there is no mAP',
              flush=True)
        return None
    position = {tile: number for number, tile in enumerate(tiles)}
    return dataset.evaluate([results[position[tile]] for tile in dataset.img_ids], metric='mAP', nproc=1)['mAP']
