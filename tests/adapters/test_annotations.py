import numpy as np
import pytest

from mtp.adapters import annotations
from mtp.errors import MTPError

CLASSES = ('plane', 'ship')


def test_read_tile_passes_headers_and_gives_labels(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'imagesource:GoogleEarth\r\ngsd:null\r\n0 0 10 0 10 5 0 5 ship 2\r\n\r\n'
                     b'1 1 4 1 4 4 1 4 plane\r\n')
    polygons, labels, difficulties = annotations.read_tile(str(path), CLASSES)
    assert polygons.dtype == np.float32 and polygons.tolist()[0] == [0, 0, 10, 0, 10, 5, 0, 5]
    assert labels.tolist() == [1, 0] and difficulties.tolist() == [2, 0]


def test_an_empty_tile_has_the_shapes_of_a_full_one(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('')
    polygons, labels, difficulties = annotations.read_tile(str(path), CLASSES)
    assert (polygons.shape, labels.shape, difficulties.shape) == ((0, 8), (0,), (0,))


def test_a_class_of_another_data_set_is_named_with_its_line(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('0 0 10 0 10 5 0 5 plane 0\n0 0 10 0 10 5 0 5 harbor 0\n')
    with pytest.raises(MTPError, match='line 2.*harbor'):
        annotations.read_tile(str(path), CLASSES)


def test_degenerate_polygons_have_two_equal_neighbouring_corners():
    polygons = np.array([[0, 0, 9, 0, 9, 9, 0, 9], [0, 0, 0, 0, 9, 9, 0, 9], [0, 0, 9, 0, 9, 9, 0, 0],
                         [0, 0, 9, 0, 0, 0, 9, 0]], np.float32)
    assert annotations.degenerate(polygons).tolist() == [False, True, True, False]


DIOR = '''<annotation><filename>1.jpg</filename>{size}
<object><type>robndbox</type><name>Airplane</name><difficult>0</difficult><robndbox>
<x_left_top>1</x_left_top><y_left_top>2</y_left_top><x_right_top>9</x_right_top><y_right_top>2</y_right_top>
<x_right_bottom>9</x_right_bottom><y_right_bottom>7</y_right_bottom>
<x_left_bottom>1</x_left_bottom><y_left_bottom>7</y_left_bottom></robndbox></object></annotation>'''


def test_dior_corners_in_the_order_of_the_file_and_names_in_lower_case(tmp_path):
    path = tmp_path / '1.xml'
    path.write_text(DIOR.format(size='<size><width>30</width><height>20</height><depth>3</depth></size>'))
    polygons, labels, size = annotations.read_dior(str(path), ('airplane',))
    assert polygons.tolist() == [[1, 2, 9, 2, 9, 7, 1, 7]] and labels.tolist() == [0] and size == (30, 20)


def test_dior_without_a_size_says_so(tmp_path):
    path = tmp_path / '1.xml'
    path.write_text(DIOR.format(size=''))
    assert annotations.read_dior(str(path), ('airplane',))[2] is None


def test_files_are_sorted_and_a_missing_folder_is_said(tmp_path):
    for name in ('b.png', 'a.png', 'c.txt'):
        (tmp_path / name).write_text('')
    assert annotations.files(str(tmp_path), '.png') == ['a.png', 'b.png']
    with pytest.raises(MTPError, match='no .tif file'):
        annotations.files(str(tmp_path), '.tif')
    with pytest.raises(MTPError, match='no folder'):
        annotations.files(str(tmp_path / 'x'), '.png')
