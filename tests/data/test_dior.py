import os

import numpy as np
import pytest

from mtp.data import catalogue, dior
from mtp.data.samples import annotations
from mtp.errors import MTPError

CLASSES = catalogue.get('dior').classes
SQUARE = np.array([[10., 20], [30, 20], [30, 50], [10, 50]])


def _write(tmp_path, text):
    path = tmp_path / 'a.xml'
    path.write_text(text)
    return str(path)


def test_horizontal_and_oriented(tmp_path):
    name = 'Expressway-Service-area'
    boxes = dior.read(_write(tmp_path, annotations.dior_horizontal('a.jpg', 80, 60, [SQUARE], [name])), 'horizontal',
                      CLASSES)
    assert boxes.names == (name.lower(),) and boxes.boxes.tolist() == [[10, 20, 30, 50]]
    assert boxes.meta == {'width': 80, 'height': 60, 'filename': 'a.jpg'}
    oriented = dior.read(_write(tmp_path, annotations.dior_oriented('a.jpg', 80, 60, [SQUARE], [name])), 'oriented')
    np.testing.assert_array_equal(oriented.polygons, [SQUARE])


def test_robndbox_as_the_container_of_a_horizontal_box(tmp_path):
    text = annotations.dior_horizontal('a.jpg', 80, 60, [SQUARE], ['ship']).replace('bndbox', 'robndbox')
    assert dior.read(_write(tmp_path, text), 'horizontal').boxes.tolist() == [[10, 20, 30, 50]]


def test_an_extra_name_or_a_missing_number_does_not_shift_the_others(tmp_path):
    good = annotations.dior_horizontal('a.jpg', 80, 60, [SQUARE, SQUARE + 5], ['ship', 'dam'])
    extra = good.replace('<pose>', '<part><name>bow</name></part><pose>', 1)
    assert dior.read(_write(tmp_path, extra), 'horizontal').names == ('ship', 'dam')
    with pytest.raises(MTPError, match='a.xml: line 15: <bndbox> has no <ymin>'):
        dior.read(_write(tmp_path, good.replace('<ymin>20</ymin>', '', 1)), 'horizontal')


@pytest.mark.parametrize('old, new, message', [
    ('>ship<', '>sheep<', "field name: 'sheep'"), ('>10<', '>1x<', 'field xmin'), ('>10<', '>inf<', 'field xmin'),
    ('>80<', '>-80<', 'field width'), ('<bndbox>', '<box>', 'not well-formed'), ('annotation', 'annotations', 'root'),
    ('>a.jpg<', '>../a.jpg<', 'filename'), ('<annotation>', '<!DOCTYPE a [<!ENTITY b "c">]><annotation>', 'DOCTYPE')])
def test_a_bad_file_is_named(tmp_path, old, new, message):
    text = annotations.dior_horizontal('a.jpg', 80, 60, [SQUARE], ['ship'])
    with pytest.raises(MTPError, match='a.xml: line [0-9]+: .*' + message):
        dior.read(_write(tmp_path, text.replace(old, new)), 'horizontal', CLASSES)


def test_the_other_kind_of_box_is_refused(tmp_path):
    path = _write(tmp_path, annotations.dior_horizontal('a.jpg', 80, 60, [SQUARE], ['ship']))
    with pytest.raises(MTPError, match='no oriented box'):
        dior.read(path, 'oriented')


def test_real_files(real):
    oriented = dior.read(real('dior', 'Annotations', 'Oriented Bounding Boxes', '00001.xml'), 'oriented', CLASSES)
    assert oriented.names == ('golffield',) and CLASSES.index('golffield') == 9
    assert oriented.polygons[0].tolist() == [[133, 237], [684, 237], [684, 672], [133, 672]]
    path = real('dior', 'transcribed', 'Annotations', 'Horizontal Bounding Boxes', '00001.xml')
    assert dior.read(path, 'horizontal', CLASSES).boxes.tolist() == [[133, 237, 684, 672]]


def test_a_real_file_of_another_schema_is_refused(real):
    path = real('hrsc2016', 'FullDataSet', 'Annotations', '100000006.xml')
    with pytest.raises(MTPError, match='HRSC_Image.*another format'):
        dior.read(path, 'oriented')


def test_samples_are_read(made):
    root = os.path.join(made('samrs'), 'dior', 'Annotations')
    for kind in ('Horizontal', 'Oriented'):
        folder = os.path.join(root, kind + ' Bounding Boxes')
        assert len(os.listdir(folder)) == 5
        for name in os.listdir(folder):
            assert len(dior.read(os.path.join(folder, name), kind.lower(), CLASSES).names) > 3
