import hashlib
import os

import cv2
import numpy as np
import pytest

from mtp.data import dota, fair1m
from mtp.data.samples import __main__ as command
from mtp.data.samples import scenes, shapes, writing
from mtp.errors import MTPError


def _scene(seed=0):
    return scenes.paint(np.random.default_rng(seed), 400, 300, list(shapes.KINDS), 30)


def test_a_seed_draws_one_scene_and_another_seed_another():
    first, again, other = _scene(), _scene(), _scene(1)
    np.testing.assert_array_equal(first.image, again.image)
    assert first.image.shape == (300, 400, 3) and first.image.dtype == np.uint8
    assert (first.image != other.image).any()


@pytest.mark.parametrize('kind', list(shapes.KINDS))
def test_the_box_fits_the_mask(kind):
    """The truth is exact: every corner of the box within a pixel of what the mask itself spans along its heading."""
    scene = scenes.paint(np.random.default_rng(3), 500, 500, [kind], 12)
    assert len(scene.items) >= 4
    for item in scene.items:
        ys, xs = np.nonzero(scenes.full_mask(scene, item))
        points = np.stack([xs + 0.5, ys + 0.5], 1)
        centre = item.polygon.mean(0)
        along, across = item.polygon[0] - item.polygon[3], item.polygon[1] - item.polygon[0]
        for axis in (along, across):
            length = np.linalg.norm(axis)
            reach = (points - centre) @ axis / length
            # a pixel centre lies up to 0.7 inside the shape's edge; a plane's nose and wing tips are thin
            assert abs(reach.max() - length / 2) < 2.5 and abs(reach.min() + length / 2) < 2.5


def test_objects_stand_apart_and_inside():
    scene = _scene()
    cover = sum(scenes.full_mask(scene, item).astype(int) for item in scene.items)
    assert cover.max() == 1
    for item in scene.items:
        assert item.polygon.min() >= 0 and (item.polygon <= (400, 300)).all()
        assert cv2.contourArea(item.polygon.astype(np.float32), True) > 0  # clockwise on screen


def test_objects_differ_from_their_ground():
    """Objects can be seen: each differs from the pixels around it by far more than the noise of the ground."""
    scene = scenes.paint(np.random.default_rng(0), 512, 512, ['plane', 'ship', 'storage-tank', 'tennis-court'], 24)
    for item in scene.items:
        mask = scenes.full_mask(scene, item)
        ring = cv2.dilate(mask, np.ones((9, 9))) - mask
        inside, outside = (scene.image[area > 0].astype(float) for area in (mask, ring))
        assert np.abs(inside - outside.mean(0)).mean() > 25


def test_labels_of_big_images_are_read(made):
    classes = {'plane', 'ship', 'small-vehicle', 'storage-tank', 'tennis-court'}
    root = made('dotav1')
    labels = dota.read(os.path.join(root, 'train', 'labelTxt', 'P0000.txt'))
    assert set(labels.names) == classes and labels.meta == {'imagesource': 'GoogleEarth', 'gsd': '0.5'}
    assert os.listdir(os.path.join(root, 'test', 'images')) == ['P2000.png']
    assert len(dota.read(os.path.join(root, 'test', 'truth', 'P2000.txt')).names) > 10
    with open(os.path.join(root, 'train', 'labelTxt', 'P0000.txt'), 'rb') as stream:
        assert stream.read().count(b'\r\n') == len(labels.names) + 2
    xml = fair1m.read(os.path.join(made('fair1m'), 'test', 'truth', '0.xml'))
    assert set(xml.names) == {'Boeing737', 'Dry-Cargo-Ship', 'Small-Car', 'Tennis-Court', 'Baseball-Field'}


def _digest(folder):
    digest = hashlib.sha256()
    for path in sorted(folder.rglob('*')):
        digest.update(str(path.relative_to(folder)).encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def test_the_command_repeats_itself_and_keeps_what_is_there(tmp_path, capsys):
    for out in ('a', 'b', 'a'):
        command.main(['samrs', '--out', str(tmp_path / out), '--images', '1'])
    assert 'already in' in capsys.readouterr().out
    assert _digest(tmp_path / 'a') == _digest(tmp_path / 'b')


def test_the_command_never_overwrites_what_it_did_not_make(tmp_path):
    folder = tmp_path / 'fair1m'
    folder.mkdir()
    (folder / 'thesis.txt').write_text('years of work')
    with pytest.raises(MTPError, match='not a sample set'):
        command.main(['fair1m', '--out', str(tmp_path), '--images', '1', '--overwrite'])
    assert [path.name for path in tmp_path.iterdir()] == ['fair1m'] and (folder / 'thesis.txt').exists()


def test_other_settings_need_overwrite(tmp_path, monkeypatch):
    monkeypatch.setattr('mtp.data.samples.dota.write', lambda folder, seed, images: writing.save_text(
        os.path.join(folder, 'x.txt'), str(seed)))
    command.main(['dota', '--out', str(tmp_path)])
    with pytest.raises(MTPError, match='made otherwise'):
        command.main(['dota', '--out', str(tmp_path), '--seed', '1'])
    command.main(['dota', '--out', str(tmp_path), '--seed', '1', '--overwrite'])
    assert (tmp_path / 'dotav1' / 'x.txt').read_text() == '1'


@pytest.mark.parametrize('arguments', [['--images', '0'], ['--seed', '-1']])
def test_senseless_numbers_are_refused(tmp_path, arguments, capsys):
    with pytest.raises(SystemExit) as left:
        command.main(['dota', '--out', str(tmp_path)] + arguments)
    assert left.value.code == 2 and 'is expected, not' in capsys.readouterr().err
