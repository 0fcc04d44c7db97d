"""The loop of a test: shards as it goes, going on after SIGKILL, images that cannot be read, any number of readers."""
import os
import signal
import time

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')

from mtp.adapters import inference  # noqa: E402
from mtp.errors import FAILED, MTPError  # noqa: E402
from mtp.tiles import merge, shards, sources  # noqa: E402
from mtp.tiles.pixels import list_images  # noqa: E402
from mtp.tiles.windows import Preset  # noqa: E402

HOW = Preset(32, 8, (0.5, 1.0))


class Bright:
    """Finds the brightest pixel of a tile: one box around it, its value the score."""

    classes, rotated = ('spot', 'dark'), True

    def __init__(self, seconds=0.0):
        self.seconds, self.loaded, self.batches = seconds, 0, []

    def prepare(self, tile, pixels):
        return tile, pixels.astype(int).sum(axis=2)

    @staticmethod
    def collate(samples):
        return samples

    def load(self):
        self.loaded += 1

    def __call__(self, batch):
        time.sleep(self.seconds)
        self.batches.append(len(batch))
        return [self.find(pixels) for _, pixels in batch]

    @staticmethod
    def find(pixels):
        y, x = np.unravel_index(np.argmax(pixels), pixels.shape)
        return np.float32([[x, y, 4, 2, 0]]), np.float32([pixels[y, x] / 765]), np.array([0])


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, size in (('P0', (130, 90)), ('P1', (40, 40)), ('P2', (20, 70))):
        cv2.imwrite(str(folder / (name + '.png')), rng.integers(0, 255, size + (3,), dtype=np.uint8))
    return str(folder)


def pieces_of(images, **options):
    settings = inference.Settings(**options)
    return sources.of_images(list_images(images), HOW, settings.readers), settings


def run(images, folder, detector=None, **options):
    pieces, settings = pieces_of(images, **options)
    return inference.detect(detector or Bright(), pieces, str(folder), 'mark', settings)


def found(folder):
    return {tile: (boxes.tolist(), scores.tolist()) for tile, boxes, scores, _ in shards.read_shards(str(folder))}


@pytest.mark.parametrize('options', [dict(batch=4), dict(batch=3, workers=2), dict(batch=100, workers=1)])
def test_readers_and_batches_change_nothing(images, tmp_path, options):
    run(images, tmp_path / 'one')
    spent = run(images, tmp_path / 'other', **options)
    assert found(tmp_path / 'one') == found(tmp_path / 'other')
    assert spent.tiles == len(found(tmp_path / 'one')) > 30 and 0 <= spent.network <= spent.seconds


def test_ranks_share_all_tiles(images, tmp_path):
    run(images, tmp_path / 'one')
    counts = [run(images, tmp_path / 'three', rank=rank, world=3).tiles for rank in range(3)]
    assert found(tmp_path / 'one') == found(tmp_path / 'three')
    assert min(counts) > 0 and sum(counts) == len(found(tmp_path / 'one'))


def test_a_test_that_is_done_loads_nothing(images, tmp_path):
    run(images, tmp_path / 'one')
    detector = Bright()
    assert run(images, tmp_path / 'one', detector).tiles == 0
    assert not detector.loaded and not detector.batches


def children(parent):
    """Ids of the children of the process ``parent``, or of all processes that are more than a name."""
    found = []
    for name in filter(str.isdigit, os.listdir('/proc')):
        try:
            with open(f'/proc/{name}/stat') as stream:
                state, its_parent = stream.read().rpartition(')')[2].split()[:2]
        except OSError:  # it has ended by now
            continue
        if state != 'Z' and parent in (None, int(its_parent)):
            found.append(int(name))
    return found


@pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='it looks for processes in /proc')
@pytest.mark.parametrize('workers', [0, 2])
def test_killed_and_started_again(images, tmp_path, workers):
    run(images, tmp_path / 'whole')
    child = os.fork()
    if not child:
        try:
            run(images, tmp_path / 'killed', Bright(seconds=0.05), workers=workers)
        finally:
            os._exit(0)
    shard, until = tmp_path / 'killed' / 'rank-00000.shard', time.monotonic() + 20
    while not (shard.exists() and shard.stat().st_size > 600) and time.monotonic() < until:
        time.sleep(0.01)
    readers = children(child)
    assert len(readers) == workers
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while set(readers) & set(children(None)):
        assert time.monotonic() < until + 20  # they end with the process that they read for
        time.sleep(0.02)
    before = len(found(tmp_path / 'killed'))
    assert 0 < before < len(found(tmp_path / 'whole'))
    left = run(images, tmp_path / 'killed', workers=workers, rank=0)
    assert left.tiles == len(found(tmp_path / 'whole')) - before
    assert found(tmp_path / 'killed') == found(tmp_path / 'whole')


def test_another_number_of_processes_goes_on(images, tmp_path):
    run(images, tmp_path / 'whole')
    run(images, tmp_path / 'shared', rank=2, world=3)
    some = len(found(tmp_path / 'shared'))
    assert 0 < some < len(found(tmp_path / 'whole'))
    assert run(images, tmp_path / 'shared').tiles == len(found(tmp_path / 'whole')) - some
    assert found(tmp_path / 'shared') == found(tmp_path / 'whole')


@pytest.mark.parametrize('workers', [0, 1])
def test_an_image_that_cannot_be_read_keeps_the_others(images, tmp_path, workers):
    path = os.path.join(images, 'P0.png')
    good = open(path, 'rb').read()
    with open(path, 'wb') as stream:
        stream.write(good[:len(good) // 2])
    with pytest.raises(MTPError, match='1 image could not be read; the others are done. P0.png') as caught:
        run(images, tmp_path / 'out', workers=workers)
    assert caught.value.code == FAILED
    assert {'P1', 'P2'} <= set(tile.split('__')[0] for tile in found(tmp_path / 'out'))
    pieces, _ = pieces_of(images)
    with pytest.raises(MTPError, match='missing'):
        merge.merge(str(tmp_path / 'out'), expected=[tile for piece in pieces for tile in piece.tiles])
    with open(path, 'wb') as stream:
        stream.write(good)
    run(images, tmp_path / 'out')
    run(images, tmp_path / 'whole')
    assert found(tmp_path / 'out') == found(tmp_path / 'whole')


@pytest.mark.parametrize('kind', ['tiles', 'images'])
@pytest.mark.parametrize('fault', ['gone', 'a folder', 'empty', 'text', 'no raster'])
def test_whatever_is_wrong_with_an_image_it_is_named_and_the_others_are_done(images, tmp_path, kind, fault):
    """Also what befalls it after the test was planned."""
    files = list_images(images)
    pieces = sources.of_files(files, whole=True) if kind == 'tiles' else sources.of_images(files, HOW)
    os.unlink(files['P1'])
    if fault == 'a folder':
        os.mkdir(files['P1'])
    elif fault != 'gone':
        content = {'empty': b'', 'text': b'no image', 'no raster': b'\x89PNG\r\n\x1a\n' + bytes(25)}[fault]
        with open(files['P1'], 'wb') as stream:
            stream.write(content)
    with pytest.raises(MTPError, match='1 image could not be read; the others are done. P1.png') as caught:
        inference.detect(Bright(), pieces, str(tmp_path / 'out'), 'mark', inference.Settings())
    assert caught.value.code == FAILED and 'replace ' + files['P1'] in str(caught.value)
    assert {'P0', 'P2'} == set(tile.split('__')[0] for tile in found(tmp_path / 'out'))


@pytest.mark.parametrize('damage', ['a byte', 'the tail', 'the header'])
def test_a_damaged_shard_costs_what_its_rank_found_behind_the_damage(images, tmp_path, damage):
    def run_all():
        return [run(images, tmp_path / 'out', rank=rank, world=3).tiles for rank in range(3)]
    before, whole = run_all(), found(tmp_path / 'out')
    paths = [tmp_path / 'out' / f'rank-0000{rank}.shard' for rank in range(3)]
    others = [path.read_bytes() for path in (paths[0], paths[2])]
    data, at = paths[1].read_bytes(), {'a byte': 0.5, 'the tail': 0.7, 'the header': 0.0}[damage]
    at = int(len(data) * at)
    paths[1].write_bytes(data[:at] + (b'' if damage == 'the tail' else bytes([data[at] ^ 1]) + data[at + 1:]))
    lost = len(whole) - len(found(tmp_path / 'out'))
    assert 0 < lost <= before[1] and (lost == before[1]) == (damage == 'the header')
    assert run_all() == [0, lost, 0]
    assert found(tmp_path / 'out') == whole
    assert [path.read_bytes() for path in (paths[0], paths[2])] == others


def test_numbers_that_are_not_finite_are_counted_and_left_out(images, tmp_path, capsys):
    class Broken(Bright):
        def find(self, pixels):
            boxes, scores, labels = Bright.find(pixels)
            return np.repeat(boxes, 2, axis=0), np.float32([scores[0], np.nan]), np.repeat(labels, 2)
    spent = run(images, tmp_path / 'nan', Broken())
    run(images, tmp_path / 'good')
    assert found(tmp_path / 'nan') == found(tmp_path / 'good')
    assert f'{spent.tiles} detections with a number that is not finite' in capsys.readouterr().err
