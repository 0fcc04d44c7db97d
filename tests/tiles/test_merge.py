"""Merged detections equal MMRotate 0.3.4's, whatever the shards, and nothing is lost silently."""
import os

import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.submit import merge as submission
from mtp.tiles import merge as merging
from mtp.tiles.merge import merge
from mtp.tiles.shards import ShardWriter
from mtp.tiles.windows import preset, tile_id, window_positions

CLASSES = ('plane', 'ship', 'harbor')


def tile_results(images, seed=0):
    """Detections of objects that every tile over them finds a little differently, with distinct scores."""
    rng = np.random.default_rng(seed)
    results, count = {}, 0
    for image, (width, height) in images.items():
        objects = np.column_stack([rng.uniform(0, width, 60), rng.uniform(0, height, 60), rng.uniform(20, 90, 60),
                                   rng.uniform(8, 40, 60), rng.uniform(-1.5, 1.5, 60)])
        labels = rng.integers(0, len(CLASSES), 60)
        for window in window_positions(width, height, preset('dotav1_ms')):
            inside = ((objects[:, :2] > window[:2]) & (objects[:, :2] < window[2:])).all(axis=1)
            boxes = objects[inside] + rng.normal(0, 1, (inside.sum(), 5)) * [2, 2, 2, 2, 0.05]
            boxes[:, :2] -= window[:2]
            results[tile_id(image, window)] = [boxes.astype(np.float32), inside.sum(), labels[inside]]
            count += inside.sum()
    scores = (rng.permutation(count) + 1).astype(np.float32) / (count + 1)
    for result in results.values():
        scores, result[1] = scores[result[1]:], scores[:result[1]]
    return results


def write(folder, results, ranks=1, fingerprint='test'):
    for rank in range(ranks):
        with ShardWriter(folder, rank, ranks, CLASSES, fingerprint) as writer:
            for tile in list(results)[rank::ranks]:
                writer.append(tile, *results[tile])


@pytest.fixture
def results():
    return tile_results({'P2': (1500, 1300), 'P10': (2300, 900), 'P1': (700, 700)})


def reference_lines(results, out):
    """Task 1 lines as MMRotate 0.3.4 merges and prints them."""
    dota = pytest.importorskip('mmrotate.datasets.dota')
    if not hasattr(dota, '_merge_func'):
        pytest.skip('this is not MMRotate 0.3')
    dataset = dota.DOTADataset.__new__(dota.DOTADataset)
    dataset.CLASSES, dataset.version, dataset.img_ids = CLASSES, 'le90', list(results)
    dataset.data_infos = list(results)
    per_tile = []
    for boxes, scores, labels in results.values():
        rows = np.column_stack([boxes, scores]).astype(np.float32)
        per_tile.append([rows[labels == label] for label in range(len(CLASSES))])
    dataset.format_results(per_tile, str(out), nproc=1)
    return {name: (out / f'Task1_{name}.txt').read_text().splitlines() for name in CLASSES}


def test_lines_equal_mmrotate_03(tmp_path, results):
    from mtp.submit.dota import write_texts
    expected = reference_lines(results, tmp_path / 'reference')
    write(tmp_path / 'shards', results, ranks=3)
    write_texts(merge(tmp_path / 'shards'), str(tmp_path))
    assert sum(map(len, expected.values())) > 150
    for name in CLASSES:
        found = (tmp_path / f'Task1_{name}.txt').read_text().splitlines()
        assert sorted(found) == sorted(expected[name])


def test_offset_is_added_in_float32(tmp_path):
    with ShardWriter(tmp_path, 0, 1, CLASSES, 'x') as writer:
        writer.append('P1__1024__20001___7', np.float32([[0.1, 0.3, 5, 4, 0.1]]), [0.5], [1])
    merged = merge(tmp_path)
    assert merged.rbox.dtype == np.float64
    x, y = np.float32(0.1) + np.float32(20001), np.float32(0.3) + np.float32(7)
    assert merged.rbox[0].tolist() == [float(x), float(y), 5, 4, float(np.float32(0.1))]


def test_the_number_of_shards_and_processes_does_not_matter(tmp_path, results, monkeypatch):
    monkeypatch.setattr(merging, '_BLOCK', 200)
    write(tmp_path / 'one', results)
    write(tmp_path / 'four', dict(reversed(list(results.items()))), ranks=4)
    first, second = merge(tmp_path / 'one'), merge(tmp_path / 'four', jobs=2)
    assert first.images == second.images == ('P1', 'P2', 'P10')
    for one, other in zip(first[2:], second[2:]):
        assert np.array_equal(one, other)
    order = np.lexsort((-first.score, first.label, first.image))
    assert np.array_equal(order, np.arange(len(order)))


def test_equal_scores_do_not_depend_on_shards(tmp_path):
    tiles = ['P1__1024__0___0', 'P1__1024__524___0']
    for name, order in (('a', tiles), ('b', tiles[::-1])):
        with ShardWriter(tmp_path / name, 0, 1, CLASSES, 'x') as writer:
            for tile in order:
                x = 600 if tile == tiles[0] else 80
                writer.append(tile, [[x, 50, 40, 20, 0]], [0.5], [0])
    assert merge(tmp_path / 'a').rbox.tolist() == merge(tmp_path / 'b').rbox.tolist() == [[600, 50, 40, 20, 0]]


def test_images_without_detections_are_listed(tmp_path):
    with ShardWriter(tmp_path, 0, 1, CLASSES, 'x') as writer:
        writer.append('P1__1024__0___0', [], [], [])
    merged = merge(tmp_path)
    assert merged.images == ('P1',) and len(merged.score) == 0 and merged.rbox.shape == (0, 5)


def test_score_threshold_and_whole_images(tmp_path):
    with ShardWriter(tmp_path, 0, 1, CLASSES, 'x') as writer:
        writer.append('00012', [[5, 5, 4, 2, 0], [50, 5, 4, 2, 0]], [0.3, 0.2], [0, 0])
    with pytest.raises(MTPError, match='00012'):
        merge(tmp_path)
    assert merge(tmp_path, whole_images=True, score_threshold=0.3).rbox.tolist() == [[5, 5, 4, 2, 0]]


def test_missing_tiles_and_damage_are_errors(tmp_path, results):
    write(tmp_path, results)
    with pytest.raises(MTPError, match='1 of .* tiles are missing.*P7'):
        merge(tmp_path, expected=set(results) | {'P7__1024__0___0'})
    path = str(tmp_path / 'rank-00000.shard')
    os.truncate(path, os.path.getsize(path) - 5)
    with pytest.raises(MTPError, match='cut short'):
        merge(tmp_path)
    with pytest.raises(MTPError, match='1 of'):
        merge(tmp_path, expected=set(results))
    assert len(merge(tmp_path, expected=set(list(results)[:-1])).images) == 3


def test_expected_tiles_are_those_of_the_cut(tmp_path):
    cv2 = pytest.importorskip('cv2')
    cv2.imwrite(str(tmp_path / 'P1.png'), np.zeros((900, 1300, 3), np.uint8))
    expected = {tile_id('P1', window) for window in window_positions(1300, 900, preset('dotav1_ms'))}
    assert merging.expected_tiles(str(tmp_path), preset('dotav1_ms')) == expected


def test_command(tmp_path, capsys):
    cv2 = pytest.importorskip('cv2')
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images/P1.png'), np.zeros((800, 900, 3), np.uint8))
    results = tile_results({'P1': (900, 800)})
    write(tmp_path / 'shards', results)
    arguments = [str(tmp_path / 'shards'), '--dataset', 'dotav1', '--images', str(tmp_path / 'images'), '--out',
                 str(tmp_path / 'sub'), '--preset', 'dotav1_ms', '--jobs', '1']
    assert submission.main(arguments) == 0
    assert (tmp_path / 'sub/sub.zip').is_file() and 'sub.zip' in capsys.readouterr().out
    assert submission.main(arguments) == 0  # as after a kill while it packed
    os.unlink(str(tmp_path / 'sub/.mtp-output.json'))
    with pytest.raises(MTPError, match='was not made by merge'):
        submission.main(arguments)
    assert (tmp_path / 'sub/sub.zip').is_file()


def test_a_rule_of_a_config_takes_what_is_left_away_from_the_default():
    assert merging.rule_of(None) == merging.DEFAULT == (0.1, 'ge')
    assert merging.rule_of(None, merging.UPRIGHT) == (0.5, 'ge')
    assert merging.rule_of(dict(rule='gt'), merging.UPRIGHT) == (0.5, 'gt')
    assert merging.rule_of(dict(iou_thr=0.3)) == (0.3, 'ge')


@pytest.mark.parametrize('settings, said', [(dict(iou=0.1), 'merge has no iou'), (dict(iou_thr=0), 'iou_thr is 0;'),
                                            (dict(iou_thr='high'), "iou_thr is 'high'"), (dict(rule='lt'), 'rule is')])
def test_a_rule_that_cannot_be_is_told_with_one_that_can(settings, said):
    with pytest.raises(MTPError, match=said) as told:
        merging.rule_of(settings)
    assert "merge = dict(iou_thr=0.1, rule='ge')" in told.value.hint
