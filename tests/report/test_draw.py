"""Pictures show the boxes where they are, in the colours of their classes."""
import numpy as np
import pytest

from mtp.data import catalogue
from mtp.errors import MTPError

cv2 = pytest.importorskip('cv2')
from mtp.report import draw  # noqa: E402
from mtp.submit import draw as of_submission  # noqa: E402
from mtp.tiles.detections import Detections  # noqa: E402

RED, GREEN = (255, 0, 0), (0, 255, 0)


def near(pixel, rgb):
    """Whether a BGR pixel has about this colour; lines have soft edges."""
    return np.abs(pixel.astype(int) - rgb[::-1]).max() < 80


def picture(scores=(0.9, 0.5), **options):
    image = np.full((300, 400, 3), 40, np.uint8)
    boxes = [[100, 150, 80, 40, 0], [300, 150, 80, 40, np.pi / 2]]
    drawn = draw.draw_detections(image, boxes, [0, 1], scores, ('a', 'b'), (RED, GREEN), legend=False, **options)
    assert (image == 40).all()
    return drawn


def test_boxes_are_where_they_should_be():
    drawn = picture()
    assert near(drawn[170, 100], RED) and near(drawn[150, 60], RED)
    assert near(drawn[190, 300], GREEN) and near(drawn[150, 280], GREEN)
    assert tuple(drawn[150, 100]) == (40, 40, 40)


def test_threshold_and_truth_without_scores():
    assert tuple(picture(threshold=0.6)[190, 300]) == (40, 40, 40)
    assert near(picture(scores=None, threshold=0.6)[190, 300], GREEN)


def test_big_images_are_scaled_and_lines_stay_sharp():
    drawn = picture(max_side=200)
    assert drawn.shape == (150, 200, 3)
    assert near(drawn[85, 50], RED)


def test_legend_and_empty_results():
    image = np.zeros((300, 400, 3), np.uint8)
    drawn = draw.draw_detections(image, [[200, 200, 20, 10, 0]], [1], [0.9], ('a', 'b'), (RED, GREEN))
    assert any(near(pixel, GREEN) for pixel in drawn[:40, :100].reshape(-1, 3))
    empty = draw.draw_detections(image, np.zeros((0, 5)), [], [], ('a',), (RED,))
    assert np.array_equal(empty, image)


def test_palette():
    assert draw.palette_of(catalogue.get('fair1m').classes) == catalogue.get('fair1m').palette
    assert len(set(draw.palette_of(['x', 'y', 'z']))) == 3


def test_a_picture_for_every_image(tmp_path):
    (tmp_path / 'images').mkdir()
    for name in ('P1', 'P2'):
        cv2.imwrite(str(tmp_path / 'images' / (name + '.png')), np.full((100, 120, 3), 90, np.uint8))
    found = Detections(('plane',), ('P1', 'P2'), np.array([1]), np.array([0]), np.float32([0.8]),
                       np.float64([[60, 50, 40, 20, 0]]))
    paths = draw.detections(found, str(tmp_path / 'images'), str(tmp_path / 'out'), jobs=2)
    assert [path.rsplit('/', 1)[1] for path in paths] == ['P1.jpg', 'P2.jpg']
    plain, drawn = (cv2.imread(path).astype(int) for path in paths)
    assert np.abs(plain - 90).max() < 3 and np.abs(drawn - 90).max() > 50
    with pytest.raises(MTPError, match='P9'):
        draw.detections(found._replace(images=('P1', 'P9')), str(tmp_path / 'images'), str(tmp_path / 'out'))


def test_big_images_are_drawn_by_fewer_processes(tmp_path, monkeypatch):
    asked = []
    for name, side in (('P1', 10), ('P2', 100)):
        cv2.imwrite(str(tmp_path / (name + '.png')), np.zeros((side, side, 3), np.uint8))
    monkeypatch.setattr(draw.workers, 'in_order', lambda work, tasks, jobs: asked.append(jobs) or iter(()))
    found = Detections(('plane',), ('P1', 'P2') * 8, np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.float32),
                       np.zeros((0, 5)))
    for memory in (1 << 30, 3 * 100 * 100 * 3, 100):
        monkeypatch.setattr(draw, '_MEMORY', memory)
        draw.detections(found, str(tmp_path), str(tmp_path / 'out'), jobs=8)
    assert asked == [8, 3, 1]


def test_command(tmp_path, capsys):
    for name in ('images', 'txt'):
        (tmp_path / name).mkdir()
    cv2.imwrite(str(tmp_path / 'images/P1.png'), np.full((100, 120, 3), 90, np.uint8))
    (tmp_path / 'txt/Task1_ship.txt').write_text('P1 0.9 40 40 80 40 80 60 40 60\n')
    arguments = ['--detections', str(tmp_path / 'txt'), '--images', str(tmp_path / 'images'), '--out',
                 str(tmp_path / 'out')]
    assert of_submission.main(arguments) == 0 and '1 pictures' in capsys.readouterr().out
    assert of_submission.main(arguments + ['--dataset', 'dotav1']) == 0
    with pytest.raises(MTPError, match="'ship'"):
        of_submission.main(arguments + ['--dataset', 'fair1m'])


def test_pictures_of_others_are_not_replaced(tmp_path):
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images' / 'P1.jpg'), np.zeros((60, 80, 3), np.uint8))
    before = (tmp_path / 'images' / 'P1.jpg').read_bytes()
    found = Detections(('ship',), ('P1',), np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32),
                       np.zeros((0, 5)))
    with pytest.raises(MTPError, match='was not made by pictures'):
        draw.detections(found, str(tmp_path / 'images'), str(tmp_path / 'images'))
    assert (tmp_path / 'images' / 'P1.jpg').read_bytes() == before
    for _ in range(2):  # those of ours are drawn again
        assert draw.detections(found, str(tmp_path / 'images'), str(tmp_path / 'out')) == [str(tmp_path / 'out/P1.jpg')]
