"""Window positions equal MMRotate's splitter."""
import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.tiles.windows import PRESETS, Preset, looks_cut, parse_tile_id, preset, tile_id, window_positions

MS = (0.5, 1.0, 1.5)
COLUMNS = [PRESETS['dotav1_ss'], PRESETS['dotav1_ms'], PRESETS['fair1m_ss'], Preset(800, 400), Preset(800, 200, MS),
           PRESETS['fair1m_ms']]
# Counts from running the reference function: width, height, one count for each of COLUMNS.
COUNTS = """
300 3000 4 8 5 7 8 11
500 500 1 1 1 1 1 1
600 600 1 1 1 1 4 4
800 800 1 5 1 1 5 5
1000 1000 1 5 4 4 13 13
1024 1024 1 5 4 4 13 13
1025 1024 2 6 4 4 13 13
1500 600 2 4 3 3 11 13
2000 2000 9 35 9 16 38 69
3000 2500 12 80 20 42 74 150
4000 4000 25 179 49 81 158 293
10000 10000 144 1226 289 576 978 2089
29200 27620 1224 10119 2254 4968 7843 17419
"""


@pytest.mark.parametrize('row', COUNTS.split('\n')[1:-1])
def test_golden_counts(row):
    width, height, *expected = map(int, row.split())
    assert [len(window_positions(width, height, how)) for how in COLUMNS] == expected


def test_golden_positions():
    starts = window_positions(2000, 1500, preset('dotav1_ss'))[:, :2].tolist()
    assert starts == [[0, 0], [0, 476], [824, 0], [824, 476], [976, 0], [976, 476]]
    narrow = window_positions(300, 3000, preset('dotav1_ss'))
    assert narrow[:, 1].tolist() == [0, 824, 1648, 1976] and not narrow[:, 0].any()
    flat = window_positions(1500, 600, preset('dotav1_ms'))
    assert flat[:, 0].tolist() == [0, 349, 698, 818] and set(flat[:, 2] - flat[:, 0]) == {682}


def test_every_pixel_is_covered():
    rng = np.random.default_rng(0)
    for _ in range(50):
        width, height = rng.integers(1, 5000, 2)
        windows = window_positions(width, height, preset('dotav1_ss'))
        seen = np.zeros((height // 8 + 1, width // 8 + 1), dtype=bool)
        for x, y, x_stop, y_stop in windows // 8:
            seen[y:y_stop, x:x_stop] = True
        assert seen[:-1, :-1].all()


def test_names_round_trip():
    name = tile_id('P0006', (824, 0, 1848, 1024))
    assert name == 'P0006__1024__824___0'
    assert parse_tile_id(name) == ('P0006', 1024, 824, 0)
    assert parse_tile_id('a__b__682__3___4') == ('a__b', 682, 3, 4)


@pytest.mark.parametrize('name', ['P0006', 'P0006__1024__824__0', '__1024__0___0', 'P0006__0.5__0___0', 'P__1__0___0',
                                  'P0006__1024__-3___0', 'P0006__1024__824___0.png'])
def test_foreign_names_are_refused(name):
    with pytest.raises(MTPError, match='next'):
        parse_tile_id(name)


@pytest.mark.parametrize('name', ['P__1__0___0', 'P0006__0.5__0___0'])
def test_names_of_another_tool_are_told_from_ours(name):
    assert looks_cut(name) and not looks_cut('P0006') and looks_cut('P0006__1024__824___0')
    with pytest.raises(MTPError, match='DOTA_devkit'):
        parse_tile_id(name)


def test_unknown_preset_and_endless_windows():
    with pytest.raises(MTPError, match='dotav1_ms'):
        preset('dota')
    with pytest.raises(MTPError, match='advances'):
        window_positions(100, 100, Preset(10, 10))


@pytest.mark.parametrize('name', ['a__1024__' + '9' * 400 + '___0', 'a__1024__0___' + '9' * 10, 'a__١٠٢٤__0___0'])
def test_offsets_that_no_image_has(name):
    with pytest.raises(MTPError, match='is not the name of a tile'):
        parse_tile_id(name)


def test_an_image_may_have_a_line_end_in_its_name():
    assert parse_tile_id('a\nb__1024__0___512') == ('a\nb', 1024, 0, 512)
