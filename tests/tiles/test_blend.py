"""Windows that overlap are blended without a seam, and cover every pixel."""
import numpy as np
import pytest

from mtp.tiles import blend

SIZES = [(100, 90, 32, 8), (32, 200, 32, 16), (20, 25, 32, 8), (333, 40, 64, 21), (64, 64, 64, 0), (130, 70, 33, 32),
         (70, 71, 16, 0)]


def finished(band):
    """All rows that are complete: scores, and where there is data."""
    scores, valid = zip(*band.finished())
    return np.concatenate(scores, axis=1), np.concatenate(valid)


def whole(windows_of, grid, overlap, channels):
    """What :class:`Band` makes of windows (function of x, y -> scores)."""
    found, band = np.full((channels, grid.height, grid.width), np.nan, np.float32), blend.Band(grid, overlap, channels)
    for row, y in enumerate(grid.y):
        if row:
            band.move()
        for column, x in enumerate(grid.x):
            band.add(column, windows_of(x, y))
        first, last = grid.rows(row)
        found[:, first:last], valid = finished(band)
        assert valid.all()
    return found


@pytest.mark.parametrize('width, height, side, overlap', SIZES)
def test_what_every_window_says_of_a_pixel_is_what_comes_out(width, height, side, overlap):
    grid = blend.grid(width, height, side, overlap)
    truth = np.random.default_rng(0).normal(size=(3, grid.y[-1] + side, grid.x[-1] + side)).astype(np.float32)
    found = whole(lambda x, y: truth[:, y:y + side, x:x + side], grid, overlap, 3)
    np.testing.assert_allclose(found, truth[:, :height, :width], atol=1e-5)


@pytest.mark.parametrize('radius, exact', [(4, True), (12, False)])
def test_what_a_network_sees_beyond_its_window_counts_nothing_within_the_rim(radius, exact):
    """Each window is wrong within ``radius`` of its sides, as one with zeros around it is."""
    grid = blend.grid(200, 150, 64, 16)
    truth = np.random.default_rng(1).normal(size=(1, 150, 200)).astype(np.float32)

    def window(x, y):
        part = truth[:, y:y + 64, x:x + 64].copy()
        for axis, start, length in ((2, x, 200), (1, y, 150)):
            rows = np.moveaxis(part, axis, 0)
            if start:
                rows[:radius] = 99
            if start + 64 < length:
                rows[-radius:] = 99
        return part
    assert np.allclose(whole(window, grid, 16, 1), truth, atol=2e-6) == exact


def test_a_seam_is_a_ramp():
    """Two windows that disagree: from one to the other in small steps."""
    grid = blend.grid(112, 64, 64, 16)
    found = whole(lambda x, y: np.full((1, 64, 64), float(x > 0), np.float32), grid, 16, 1)[0, 0]
    assert found[0] == 0 and found[-1] == 1 and np.diff(found).max() < 0.13 and np.diff(found).min() >= 0


def test_rows_begun_anywhere_are_those_of_the_whole_bit_by_bit():
    grid, rng = blend.grid(100, 300, 32, 20), np.random.default_rng(2)
    scores = rng.normal(size=(len(grid.y), len(grid.x), 2, 32, 32)).astype(np.float32)
    at = {(x, y): scores[row, column] for row, y in enumerate(grid.y) for column, x in enumerate(grid.x)}
    all_rows = whole(lambda x, y: at[x, y], grid, 20, 2)
    for row in range(len(grid.y)):
        band = blend.Band(grid, 20, 2, grid.lead(row))
        for number in range(grid.lead(row), row + 1):
            for column in range(len(grid.x)):
                band.add(column, scores[number, column])
            if number < row:
                band.move()
        first, last = grid.rows(row)
        assert (finished(band)[0] == all_rows[:, first:last]).all()


def test_no_data_is_carried_on():
    grid = blend.grid(50, 40, 32, 8)
    there = np.random.default_rng(3).random((grid.y[-1] + 32, grid.x[-1] + 32)) > 0.5
    band = blend.Band(grid, 8, 1)
    for column, x in enumerate(grid.x):
        band.add(column, np.ones((1, 32, 32), np.float32), there[:32, x:x + 32])
    first, last = grid.rows(0)
    assert (finished(band)[1] == there[first:last, :50]).all()


def test_memory_does_not_grow_with_the_height():
    import tracemalloc

    def peak(height):
        grid = blend.grid(256, height, 64, 16)
        tracemalloc.start()
        band = blend.Band(grid, 16, 4)
        for row in range(len(grid.y)):
            if row:
                band.move()
            for column in range(len(grid.x)):
                band.add(column, np.ones((4, 64, 64), np.float32))
            for _ in band.finished():
                pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used
    assert peak(4000) < 1.2 * peak(400)


@pytest.mark.parametrize('width, channels', [(50, 2), (900, 40)])
def test_rows_come_a_few_at_a_time_and_the_sums_are_those_of_all_at_once(width, channels, monkeypatch):
    """Bit by bit those of the plain formula, whatever the size of the pieces."""
    grid, rng = blend.grid(width, 70, 64, 16), np.random.default_rng(4)
    scores = [rng.normal(size=(channels, 64, 64)).astype(np.float32) for _ in grid.x]
    weights = [np.outer(blend.profile(0, 64, 70, 16), blend.profile(x, 64, width, 16)) for x in grid.x]
    sums, total = np.zeros((channels, 64, width), np.float32), np.zeros(width, np.float32)
    for x, each, weight in zip(grid.x, scores, weights):
        stop = min(64, width - x)
        sums[:, :, x:x + stop] += each[:, :, :stop] * weight[:, :stop]
        total[x:x + stop] += blend.profile(x, 64, width, 16)[:stop]
    first, last = grid.rows(0)
    wanted = sums[:, :last] / np.outer(blend.profile(0, 64, 70, 16)[:last], total)
    for numbers in (1, 1000, 1 << 19):
        monkeypatch.setattr(blend, '_ADDED', numbers)
        monkeypatch.setattr(blend, '_TAKEN', numbers)
        band = blend.Band(grid, 16, channels)
        for column, each in enumerate(scores):
            band.add(column, each)
        assert (finished(band)[0] == wanted).all()
        assert max(len(valid) for _, valid in band.finished()) == min(last, max(1, numbers // (width * channels)))
