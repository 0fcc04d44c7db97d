"""Batches are functions of (seed, step, rank) and hold what the annotations say."""
import dataclasses

import numpy as np
import pytest
import torch

from mtp.errors import MTPError
from mtp.pretrain import recipe
from mtp.pretrain.data import annotations, loader


@pytest.fixture
def sources(samrs):
    return {name: annotations.read(name) for name in ('sota', 'sior', 'fast')}


def make(sources, name='paper', side=96, images=2, **options):
    return loader.StepDataset(sources, {key: images for key in sources}, side, recipe.get(name), **options)


def flat(batches):
    """All arrays of a step as bytes, in order."""
    parts = []
    for batch in batches.values():
        parts += [batch.images, batch.seg]
        for truth in batch.truths:
            parts += [value for value in vars(truth).values() if torch.is_tensor(value)]
    return b''.join(part.numpy().tobytes() for part in parts)


def steps(one, first, workers):
    with loader.running(loader.build_dataloader(one, first, 4, workers)) as batches:
        return [flat(item) for item in batches]


def test_a_step_does_not_depend_on_workers_or_history(sources):
    alone = [flat(make(sources)[step]) for step in range(4)]
    for workers in (0, 2):
        assert steps(make(sources), 0, workers) == alone
    assert steps(make(sources), 2, 1) == alone[2:]
    assert len(set(alone)) == 4
    assert flat(make(sources, seed=1)[0]) != alone[0]
    assert flat(make(sources, rank=1, world=2)[0]) != flat(make(sources, rank=0, world=2)[0])


def test_every_image_once_an_epoch_over_all_ranks(sources):
    count = len(sources['sota'])
    datasets = [make(sources, rank=rank, world=2) for rank in range(2)]
    seen = [one.image_index('sota', step, slot) for step in range(count) for one in datasets for slot in range(2)]
    for epoch in range(4):
        assert sorted(index for index, number in seen if number == epoch) == list(range(count))
    orders = [[index for index, number in seen if number == epoch] for epoch in range(4)]
    assert orders[0] != orders[1]


def test_boxes_masks_and_labels_agree(sources):
    for step in range(6):
        for name, batch in make(sources)[step].items():
            assert batch.images.dtype == torch.uint8 and batch.images.shape == (2, 3, 96, 96)
            for truth, seg in zip(batch.truths, batch.seg):
                height, width = truth.shape
                assert (seg[height:] == 255).all() and (seg[:, width:] == 255).all()
                assert (seg[:height, :width] != 255).all()
                for box, label, mask in zip(truth.hboxes, truth.labels, truth.masks):
                    ys, xs = np.nonzero(mask.numpy())
                    assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
                    # another object may lie on top, but most of the object's pixels carry its own class
                    assert (seg[ys, xs] == label + 1).float().mean() > 0.4
                assert ((truth.rboxes[:, 0] >= 0) & (truth.rboxes[:, 0] <= width)).all()


def test_released_code_keeps_floats_and_unpadded_labels(sources):
    shapes = set()
    for step in range(8):
        for batch in make(sources, 'released_code', side=160, images=1)[step].values():
            assert batch.images.dtype == torch.float32 and batch.images.shape[-2:] == (160, 160)
            shapes.add(tuple(batch.seg.shape[-2:]))
            assert all(side % 32 == 0 for side in batch.seg.shape[-2:])
    assert len(shapes) > 1


def test_a_damaged_file_is_named_or_skipped(sources, tmp_path):
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'no image')
    names = list(sources['sior'].names)
    names[0] = str(broken)  # an absolute name stands for itself
    sources['sior'] = dataclasses.replace(sources['sior'], names=names)
    errors = [item for item in map(make(sources).__getitem__, range(4)) if isinstance(item, MTPError)]
    assert errors and all('broken.png' in str(error) for error in errors)
    assert not any(isinstance(item, MTPError) for item in map(make(sources, skip_bad=True).__getitem__, range(4)))


def test_batch_sizes():
    counts = {'sota': 17480, 'sior': 11725, 'fast': 64147}
    assert loader.batch_sizes(8, counts) == {'sota': 2, 'sior': 2, 'fast': 2}
    assert loader.batch_sizes(48, counts, 'ratio') == {'sota': 8, 'sior': 6, 'fast': 32}
    assert loader.batch_sizes(3, counts, 'ratio') == {'sota': 1, 'sior': 1, 'fast': 1}
    with pytest.raises(MTPError, match='--batch_size 2'):
        loader.batch_sizes(2, counts)
