"""A test of rotated detection whose truth is known (DIOR-R): into shards, like one on tiles, then the toolbox's metric.

So a killed test goes on where it stopped, and processes share the images by their pixels.
"""
import argparse
import os
from typing import Any, Dict, List

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmrotate.registry import DATASETS, METRICS
from mmrotate.structures.bbox import QuadriBoxes
from torch.utils.data import Dataset

from mtp import locks, ownership, paths
from mtp.adapters import environment, inference, submission, tile_test
from mtp.adapters.mmrotate1 import testing
from mtp.adapters.mmrotate1.detector import Detector
from mtp.errors import MTPError
from mtp.report import draw
from mtp.tiles import merge, shards, sources


def fits(cfg: Config) -> bool:
    """Whether a config's test is one of these."""
    evaluator = cfg.get('test_evaluator')
    return isinstance(evaluator, dict) and evaluator.get('type') == 'DOTAMetric'


def test(cfg: Config, args: argparse.Namespace, rank: int, world: int, local: int) -> Dict[str, float]:
    """Run the test; returns the metric's figures, on rank 0.

    Args:
        cfg: the config.
        args: options of the command line.
        rank, world, local: which of how many processes this is, and which on this machine.
    """
    if args.show_dir:
        ownership.check(paths.resolve(args.show_dir), draw.VERB, '--show-dir')
    init_default_scope(cfg.default_scope)
    loader = cfg.test_dataloader
    dataset = DATASETS.build(loader.dataset)
    infos = [dataset.get_data_info(number) for number in range(len(dataset))]
    workers = loader.get('num_workers', 2) if args.workers is None else args.workers
    settings = inference.Settings(rank, world, args.batch_size or loader.get('batch_size', 1), workers)
    mark = submission.fingerprint(
        {'model': cfg.model.to_dict(), 'pipeline': loader.dataset.pipeline, 'amp': args.amp}, cfg.load_from)
    pieces = sources.of_files({info['img_id']: info['img_path'] for info in infos}, whole=True)
    folder = os.path.join(cfg.work_dir, 'shards-' + mark[:8])  # a folder of results for each checkpoint
    device = tile_test.device(local, args.amp)
    environment.join(world)
    with locks.hold(folder, 'test', rank == 0):
        tile_test.detect(Detector(cfg, cfg.load_from, device, args.amp), tile_test.Source(tuple(pieces), True, False),
                         folder, mark, settings)
        if rank:
            return {}
        testing.dump_shards(args.out, folder)
        _pictures(args, folder, infos)
        return _figures(cfg, dataset, infos, folder)


def _figures(cfg: Config, dataset: Dataset, infos: List[Dict[str, Any]], folder: str) -> Dict[str, float]:
    found = {name: dict(zip(('bboxes', 'scores', 'labels'), map(torch.from_numpy, map(_writable, columns))))
             for name, *columns in shards.read_shards(folder)}
    missing = [info['img_id'] for info in infos if info['img_id'] not in found]
    if missing:
        raise MTPError(f'{len(missing)} of {len(infos)} images were not tested, for example {missing[0]}',
                       hint='start the same command again; it does the missing ones')
    if not any(len(_truth(info, 0)['labels']) for info in infos):
        print(f'there is no truth: the labels of the {len(infos)} images hold no object, so there is no mAP',
              flush=True)
        return {}
    metric = METRICS.build(cfg.test_evaluator)
    metric.dataset_meta = dataset.metainfo
    metric.process(None, [dict(img_id=info['img_id'], gt_instances=_truth(info, 0), ignored_instances=_truth(info, 1),
                               pred_instances=found[info['img_id']]) for info in infos])
    figures = metric.compute_metrics(metric.results)
    figures = {f'{metric.prefix}/{key}': value for key, value in figures.items()}
    print(' '.join(f'{key}: {value:.4f}' for key, value in figures.items()), flush=True)
    return figures


def _writable(column: np.ndarray) -> np.ndarray:
    return column.copy()


def _truth(info: Dict[str, Any], ignored: int) -> Dict[str, torch.Tensor]:
    """Boxes and labels of the objects of an image that count, or that are ignored."""
    mine = [instance for instance in info['instances'] if instance['ignore_flag'] == ignored]
    corners = torch.tensor([list(instance['bbox']) for instance in mine], dtype=torch.float32).reshape(-1, 8)
    return dict(bboxes=QuadriBoxes(corners).convert_to('rbox').tensor,
                labels=torch.tensor([instance['bbox_label'] for instance in mine], dtype=torch.int64))


def _pictures(args: argparse.Namespace, folder: str, infos: List[Dict[str, Any]]) -> None:
    if args.show_dir and infos:
        found = merge.merge(folder, whole_images=True, jobs=os.cpu_count() or 1)
        draw.detections(found, os.path.dirname(infos[0]['img_path']), paths.resolve(args.show_dir),
                        args.show_score_thr)
