"""Validation sees every image once, whatever the number of processes, and leaves the model as it was.

See published.md#validation-of-pretraining.
"""
import dataclasses
import json

import numpy as np
import pytest
import torch
from small_model import build

from mtp.errors import MTPError
from mtp.pretrain.data import annotations
from mtp.pretrain.engine import checkpoints, evaluator, options, validator

DATASETS = ('sota', 'fast')


class Part:
    """One process of several that run one after the other."""

    device, is_main = torch.device('cpu'), True

    def __init__(self, rank, world, parts):
        self.rank, self.world, self.parts = rank, world, parts

    @staticmethod
    def any(flag):
        return flag

    def gather(self, part):
        self.parts.append(part)
        return self.parts


@pytest.fixture
def sources(samrs):
    return {name: head(annotations.read(name), 3) for name in DATASETS}


def head(source, count):
    """The first images of a set."""
    rows, rotated = source.first[count], source.rfirst[count]
    return dataclasses.replace(
        source, names=source.names[:count], sizes=source.sizes[:count], first=source.first[:count + 1],
        boxes=source.boxes[:rows],
        labels=source.labels[:rows], rle_first=source.rle_first[:rows + 1], rfirst=source.rfirst[:count + 1],
        rboxes=source.rboxes[:rotated], rlabels=source.rlabels[:rotated])


def scores(model, sources, world, size=1, workers=0):
    parts = []
    for rank in range(world):
        found = evaluator.evaluate(model, sources, 64, Part(rank, world, parts), size, workers, show_progress=False) \
            if rank == world - 1 else _quietly(model, sources, rank, world, parts, size)
    return found


def _quietly(model, sources, rank, world, parts, size):
    """A process that is not the first: it packs and sends."""
    comm = Part(rank, world, parts)
    comm.is_main = False
    return evaluator.evaluate(model, sources, 64, comm, size, show_progress=False)


def test_every_image_once_and_the_same_batches_for_any_number_of_processes(sources):
    def batches(world):
        sets = [evaluator.ValDataset(sources, 2, 64, (), rank, world) for rank in range(world)]
        assert all(len(one) <= one.rounds for one in sets)
        return sorted((number, name, tuple(indices)) for one in sets for number, (name, indices) in one.mine)
    alone = batches(1)
    seen = [(name, index) for _, name, indices in alone for index in indices]
    assert sorted(seen) == sorted((name, index) for name in DATASETS for index in range(len(sources[name])))
    assert len(sources['sota']) % 2 and all(batches(world) == alone for world in (2, 3, 16))


def test_any_number_of_processes_finds_the_same(sources):
    model = build(datasets=DATASETS)
    alone = scores(model, sources, 1)
    assert set(alone) == {'mean'} | {f'{task}/{name}/{figure}' for name in DATASETS for task, figures in (
        ('ss', ['mIoU']), ('is', ['box_AP', 'box_AP50', 'mask_AP', 'mask_AP50']), ('rd', ['AP50']))
        for figure in figures}
    assert alone['ss/sota/mIoU'] > 0 and all(0 <= value <= 100 for value in alone.values())
    headline = [value for key, value in alone.items() if key.split('/')[-1] in ('mIoU', 'mask_AP')
                or key.startswith('rd')]
    assert alone['mean'] == pytest.approx(sum(headline) / 6, abs=1e-3)
    assert scores(model, sources, 3) == alone and scores(model, sources, 1, workers=1) == alone
    assert model.training


def test_truth_as_prediction_is_perfect(sources, monkeypatch):
    """The whole way from files to figures, with a model that knows the answers."""
    from mmengine.structures import InstanceData
    from pycocotools import mask as coco_mask

    from mtp.pretrain.data import samples
    model, asked = build(datasets=DATASETS), []
    whole = samples.whole
    monkeypatch.setattr(samples, 'whole', lambda source, index, side: asked.append((source, index))
                        or whole(source, index, side))

    def oracle(images, metas, name):
        found = {'ss': [], 'is': [], 'rd': []}
        for (source, index), meta in zip(asked[-len(metas):], metas):
            rows, own = slice(*source.first[index:index + 2]), slice(*source.rfirst[index:index + 2])
            masks = [coco_mask.decode(source.runs(row, source.sizes[index])) for row in range(rows.start, rows.stop)]
            seg = samples.read_semantic(source.seg(index), meta['ori_shape'], 37)
            found['ss'].append(torch.from_numpy(seg.astype('int64')))
            count, rotated = rows.stop - rows.start, own.stop - own.start
            found['is'].append(InstanceData(
                bboxes=torch.from_numpy(source.boxes[rows]), scores=torch.ones(count),
                masks=torch.from_numpy(np.stack(masks)),
                labels=torch.from_numpy(source.labels[rows].astype('int64'))))
            found['rd'].append(InstanceData(bboxes=torch.from_numpy(source.rboxes[own]), scores=torch.ones(rotated),
                                            labels=torch.from_numpy(source.rlabels[own].astype('int64'))))
        return found

    monkeypatch.setattr(model, 'predict', oracle)
    found = scores(model, sources, 1, size=2)
    assert {key: value for key, value in found.items() if value < 99.9} == {}


def test_a_damaged_file_is_named(sources, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'nothing')
    sources['sota'] = dataclasses.replace(sources['sota'],
                                          names=[str(tmp_path / 'broken.png')] + list(sources['sota'].names)[1:])
    with pytest.raises(MTPError, match='broken.png'):
        scores(build(('rd',), DATASETS), sources, 1)


def test_asked_to_stop_it_gives_no_figures(sources):
    class Asked:
        asked = 'SIGTERM'
    model = build(datasets=DATASETS)
    assert evaluator.evaluate(model, sources, 64, Part(0, 1, []), stop=Asked, show_progress=False) is None


@pytest.fixture
def chosen(tmp_path):
    return options.parse(('--backbone vit_t_rvsa --batch_size 3 --end_iter 9 --image_size 64 --init_backbone none '
                          '--interval 4 '
                          '--save_path').split() + [str(tmp_path)])


def test_due_at_every_interval_and_at_the_end(chosen):
    one = validator.Validator({}, Part(0, 1, []), chosen)
    assert [step for step in range(10) if one.due(step)] == [4, 8, 9]


def test_best_is_kept_and_a_killed_run_finds_it_again(chosen, tmp_path, monkeypatch, capsys):
    means = {4: 30.0, 8: 20.0, 9: 40.0}
    comm = Part(0, 1, [])
    for step in means:
        for suffix in ('.pth', '_encoder.pth'):
            (tmp_path / (checkpoints.stem(chosen, step) + suffix)).write_text(str(step))
    kept = tmp_path / (checkpoints.stem(chosen, 'best') + '.pth')

    def go(done, *steps):
        one = validator.Validator({}, comm, chosen, done)
        for step in steps:
            monkeypatch.setattr(evaluator, 'evaluate', lambda *_: {'ss/sota/mIoU': None, 'mean': means[step]})
            one.run(None, step, checkpoints.stem(chosen, step))
        return one

    go(0, 4, 8)
    assert kept.read_text() == '4' and 'best so far' in capsys.readouterr().out
    assert go(4).missing(4) is False and go(8).missing(8) is False
    assert validator.Validator({}, comm, chosen, 8).missing(9) is True
    again = go(4, 8, 9)  # killed after step 4 was saved: step 8 is found again
    assert kept.read_text() == '9' and [item['step'] for item in again.records] == [4, 8, 9]
    assert [item['step'] for item in json.loads((tmp_path / 'validation.json').read_text())] == [4, 8, 9]


def test_sets_without_an_object_have_no_best_checkpoint(chosen, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(evaluator, 'evaluate', lambda *_: {'ss/sota/mIoU': None, 'mean': None})
    one = validator.Validator({}, Part(0, 1, []), chosen)
    one.run(None, 4, checkpoints.stem(chosen, 4))
    assert 'no object to find' in capsys.readouterr().out and not list(tmp_path.glob('best*'))
    assert [item['step'] for item in json.loads((tmp_path / 'validation.json').read_text())] == [4]
