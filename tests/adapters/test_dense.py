"""The loop of a map: no seams, any number of processes and batches, killed and begun again, images that are broken."""
import functools
import os
import threading

import cv2
import numpy as np
import pytest

torch = pytest.importorskip('torch')
pytest.importorskip('rasterio')

from mtp.adapters import dense, inference  # noqa: E402
from mtp.errors import FAILED, MTPError  # noqa: E402
from mtp.tiles import blend, masked, parts  # noqa: E402

SIDE, OVERLAP = 64, 32
PACK = functools.partial(parts.packed, scores_too=True)


class Smooth:
    """A network of two convolutions that sees 4 pixels around each; ``channels`` classes."""

    channels = 3

    def __init__(self):
        torch.manual_seed(0)
        self.loaded, self.windows = 0, 0
        self._layers = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 5, padding=2), torch.nn.ReLU(),
                                           torch.nn.Conv2d(8, self.channels, 5, padding=2))

    @staticmethod
    def prepare(pixels):
        total = sum(each.astype(np.float32) for each in pixels)
        return torch.from_numpy(total.transpose(2, 0, 1) / 100)

    collate = staticmethod(torch.stack)

    def load(self):
        self.loaded += 1

    def __call__(self, batch):
        self.windows += len(batch)
        with torch.no_grad():
            return self._layers(batch).numpy()


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, size in (('a', (210, 150)), ('b', (40, 50)), ('c', (64, 300))):
        coarse = rng.integers(0, 255, (size[0] // 8 + 1, size[1] // 8 + 1, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / (name + '.png')), cv2.resize(coarse, size[::-1]))
    return tmp_path


def images_of(folder, names='abc'):
    found = []
    for name in names:
        path = str(folder / (name + '.png'))
        height, width = cv2.imread(path).shape[:2]
        found.append(dense.Image(name, (path,), blend.grid(width, height, SIDE, OVERLAP)))
    return found


def run(images, out, network=None, **options):
    network = network or Smooth()
    settings = inference.Settings(opener=masked.open_masked, **dict(dict(batch=1), **options))
    return dense.run(network, images, OVERLAP, str(out), 'mark', settings, PACK)


def maps(images, out):
    """{image: numbers (planes, height, width)}."""
    return {image.stem: np.concatenate([parts.read(parts.path_of(str(out), image.stem, row))[0]
                                        for row in range(len(image.grid.y))], axis=1) for image in images}


def test_in_windows_it_is_what_it_is_in_one_piece(folder, tmp_path):
    images = images_of(folder)
    run(images, tmp_path / 'out', batch=3)
    network = Smooth()
    for name, found in maps(images, tmp_path / 'out').items():
        pixels = cv2.imread(str(folder / (name + '.png')))
        scores = network(network.prepare([pixels])[None])[0]
        if min(pixels.shape[:2]) >= SIDE:  # a smaller one is filled up, where the network in one piece sees zeros
            wanted = PACK(scores, np.ones(scores.shape[1:], bool))
            assert (found[0] == wanted[0]).all() and np.abs(found[1:].astype(int) - wanted[1:]).max() <= 1
        assert found.shape[1:] == pixels.shape[:2]


@pytest.mark.parametrize('options', [dict(batch=4), dict(batch=5, workers=2), dict(batch=50, workers=1)])
def test_readers_change_nothing(folder, tmp_path, options):
    images = images_of(folder)
    run(images, tmp_path / 'one', batch=options['batch'])
    spent = run(images, tmp_path / 'other', **options)
    first, second = maps(images, tmp_path / 'one'), maps(images, tmp_path / 'other')
    assert all((first[name] == second[name]).all() for name in first)
    assert spent.windows == sum(len(image.grid.x) * len(image.grid.y) for image in images)


@pytest.mark.parametrize('world', [2, 3, 20])
def test_processes_share_all_rows(folder, tmp_path, world):
    images = images_of(folder)
    run(images, tmp_path / 'one', batch=4)
    spent = [run(images, tmp_path / 'all', batch=4, rank=rank, world=world).windows for rank in range(world)]
    first, second = maps(images, tmp_path / 'one'), maps(images, tmp_path / 'all')
    assert all((first[name] == second[name]).all() for name in first)
    assert world == 20 or max(spent) < 0.8 * sum(spent)


@pytest.mark.parametrize('lost', [[0], [3], [1, 5], [4, 6, 7], [9]])
def test_what_is_there_is_not_computed_again(folder, tmp_path, lost):
    images, out = images_of(folder), tmp_path / 'out'
    run(images, out, batch=4)
    before, order = maps(images, out), dense.Order(images)
    network = Smooth()
    assert run(images, out, network, batch=4).windows == network.loaded == 0
    for number in [number for number in lost if number < len(order.strips)]:
        os.unlink(parts.path_of(str(out), images[order.strips[number][0]].stem, order.strips[number][1]))
    spent = run(images, out, network, batch=4)
    after = maps(images, out)
    assert all((before[name] == after[name]).all() for name in before)  # bit by bit
    assert network.loaded == (spent.windows > 0) and spent.windows < order.count


def test_windows_without_data_are_not_computed(folder, tmp_path):
    import rasterio
    pixels = cv2.imread(str(folder / 'a.png'))[..., ::-1].transpose(2, 0, 1).copy()
    pixels[:, :, :100] = 0
    pixels[:, 50, 120] = 0
    with rasterio.open(str(folder / 'a.tif'), 'w', driver='GTiff', count=3, height=210, width=150, dtype='uint8',
                       nodata=0) as stream:
        stream.write(pixels)
    image = dense.Image('a', (str(folder / 'a.tif'),), blend.grid(150, 210, SIDE, OVERLAP))
    network = Smooth()
    spent = run([image], tmp_path / 'out', network, batch=2)
    found = maps([image], tmp_path / 'out')['a']
    gone = (pixels == 0).all(axis=0)
    assert (found[:, gone] == 255).all() and (found[0][~gone] < 3).all()
    columns = sum(x + SIDE <= 100 for x in image.grid.x)
    assert columns and spent.empty == columns * len(image.grid.y)
    assert network.windows == spent.windows == (len(image.grid.x) - columns) * len(image.grid.y)


@pytest.mark.parametrize('workers', [0, 1])
def test_an_image_that_cannot_be_read_keeps_the_others(folder, tmp_path, workers):
    images, out = images_of(folder), tmp_path / 'out'
    good = (folder / 'a.png').read_bytes()
    (folder / 'a.png').write_bytes(good[:len(good) // 2])
    with pytest.raises(MTPError, match='1 image could not be read; the others are done. a.png') as told:
        run(images, out, workers=workers)
    assert told.value.code == FAILED and set(maps(images[1:], out)) == {'b', 'c'}
    (folder / 'a.png').write_bytes(good)
    run(images, out)
    run(images, tmp_path / 'whole')
    first, second = maps(images, out), maps(images, tmp_path / 'whole')
    assert all((first[name] == second[name]).all() for name in first)


class Counting(Smooth):
    """Sets ``third`` when it is asked a third time."""

    def __init__(self):
        super().__init__()
        self.calls, self.third = 0, threading.Event()

    def __call__(self, batch):
        self.calls += 1
        if self.calls == 3:
            self.third.set()
        return super().__call__(batch)


def test_rows_are_written_while_the_network_goes_on(folder, tmp_path):
    images, network, waited = images_of(folder, 'a'), Counting(), []

    def pack(scores, valid):
        waited.append(network.third.wait(60))  # the first row is complete when the second batch is in
        return PACK(scores, valid)
    settings = inference.Settings(batch=len(images[0].grid.x), opener=masked.open_masked)
    dense.run(network, images, OVERLAP, str(tmp_path / 'out'), 'mark', settings, pack)
    assert all(waited) and network.calls == len(images[0].grid.y)
    run(images, tmp_path / 'other')
    assert (maps(images, tmp_path / 'out')['a'] == maps(images, tmp_path / 'other')['a']).all()


@pytest.mark.parametrize('last', [False, True])
def test_what_cannot_be_written_ends_it(folder, tmp_path, last):
    images, packed = images_of(folder, 'a'), []

    def pack(scores, valid):
        packed.append(scores)
        if len(packed) == (len(images[0].grid.y) if last else 1):
            raise OSError(28, 'No space left on device')
        return PACK(scores, valid)
    settings = inference.Settings(batch=4, opener=masked.open_masked)
    with pytest.raises(OSError, match='No space left'):
        dense.run(Smooth(), images, OVERLAP, str(tmp_path / 'out'), 'mark', settings, pack)
    done = len(images[0].grid.y) - 1 if last else 0
    assert len(list(tmp_path.rglob('*.part'))) == done


def test_an_image_that_vanishes_is_named(folder, tmp_path):
    images = images_of(folder)
    os.unlink(str(folder / 'b.png'))
    with pytest.raises(MTPError, match='b.png'):
        run(images, tmp_path / 'out')
    assert set(maps([images[0], images[2]], tmp_path / 'out')) == {'a', 'c'}
