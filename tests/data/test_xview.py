import json

import numpy as np
import pytest

from mtp.data import catalogue, xview
from mtp.errors import MTPError


def test_real_features(real):
    labels = xview.read(real('xview', 'transcribed', 'xView_train_excerpt_2features.geojson'))
    assert list(labels) == ['2355.tif'] and labels['2355.tif'].names == ('Building', 'Building')
    assert labels['2355.tif'].boxes.tolist() == [[2712, 1145, 2746, 1177], [2720, 2233, 2760, 2288]]


def test_380_boxes_of_image_5(real):
    labels = xview.read(real('xview', 'derived', 'xView_boxes_from_mat_image_5.geojson'))['5.tif']
    assert len(labels.names) + sum(labels.meta['skipped'].values()) == 380
    assert (xview.clip(labels.boxes, 3093, 2931) == labels.boxes).mean() > 0.9


def test_detections_of_image_5_agree_with_the_boxes(real):
    """299 of the 380 have a detection of the same class at IoU 0.5 or more, as counted where the files come from."""
    dataset = catalogue.get('xview')
    labels = xview.read(real('xview', 'derived', 'xView_boxes_from_mat_image_5.geojson'))['5.tif']
    found = np.loadtxt(real('xview', 'predictions', '5.tif.txt'))
    codes = np.array([dataset.codes[dataset.classes.index(name)] for name in labels.names])
    boxes = labels.boxes
    low = np.maximum(boxes[:, None, :2], found[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], found[None, :, 2:4])
    shared = (high - low).clip(0).prod(2)
    union = (boxes[:, 2:] - boxes[:, :2]).prod(1)[:, None] + (found[:, 2:4] - found[:, :2]).prod(1)[None] - shared
    assert ((shared / union >= 0.5) & (codes[:, None] == found[None, :, 4])).any(1).sum() == 299


def test_the_class_table_is_the_official_one(real):
    with open(real('xview', 'xview_class_labels.txt')) as stream:
        table = dict(line.strip().split(':', 1) for line in stream if line.strip())
    dataset = catalogue.get('xview')
    assert sorted(int(code) for code in table) == list(dataset.codes)
    same = [table[str(code)] == name for code, name in zip(dataset.codes, dataset.classes)]
    assert sum(same) == 55  # MTP shortens the other five


def _write(tmp_path, **changes):
    properties = {'image_id': '5.tif', 'type_id': 73, 'bounds_imcoords': '1,2,3,4'}
    properties.update(changes)
    path = tmp_path / 'x.geojson'
    good = {'image_id': '5.tif', 'type_id': 75, 'bounds_imcoords': '1, 2, 3, 4.5'}
    path.write_text(json.dumps({'type': 'FeatureCollection', 'features': [{'properties': good},
                                                                          {'properties': properties}]}))
    return str(path)


@pytest.mark.parametrize('changes, field', [
    (dict(image_id='../5.tif'), 'image_id'), (dict(image_id=5), 'image_id'), (dict(type_id='73'), 'type_id'),
    (dict(type_id=True), 'type_id'), (dict(bounds_imcoords='1,2,3'), 'bounds_imcoords'),
    (dict(bounds_imcoords='1,2,3,x'), 'bounds_imcoords'), (dict(bounds_imcoords=None), 'bounds_imcoords')])
def test_a_bad_feature_is_named_or_left_out(tmp_path, changes, field):
    path = _write(tmp_path, **changes)
    with pytest.raises(MTPError, match='x.geojson: feature 1, field ' + field):
        xview.read(path)
    problems = []
    labels = xview.read(path, problems)
    assert len(problems) == 1 and labels['5.tif'].names == () and labels['5.tif'].meta['skipped'] == {75: 1}
