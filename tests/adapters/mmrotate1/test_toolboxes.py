"""The data sets of the other toolboxes."""
import json

import cv2
import numpy as np
import pytest

from mtp.adapters import mmrotate1  # noqa: F401  (registers)
from mtp.data import catalogue


@pytest.mark.parametrize('kind, name', [('DIORDataset', 'dior'), ('XviewDataset', 'xview')])
def test_horizontal_detection(tmp_path, kind, name):
    from mmdet.registry import DATASETS
    classes = catalogue.get(name).classes
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((40, 40, 3), np.uint8))
    (tmp_path / 'labels.json').write_text(json.dumps(dict(
        images=[dict(id=1, file_name='a.png', width=40, height=40)],
        annotations=[dict(id=1, image_id=1, category_id=3, bbox=[4, 5, 10, 8], area=80, iscrowd=0)],
        categories=[dict(id=index, name=title) for index, title in enumerate(classes)])))
    made = DATASETS.build(dict(type=kind, data_root=str(tmp_path), ann_file='labels.json', data_prefix=dict(img=''),
                               pipeline=[]))
    assert made.metainfo['classes'] == classes
    assert made.get_data_info(0)['instances'] == [dict(bbox=[4, 5, 14, 13], bbox_label=3, ignore_flag=0)]


def test_segmentation(tmp_path):
    from mmseg.registry import DATASETS
    for folder in ('images', 'labels'):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / 'a.png'), np.zeros((8, 8), np.uint8))
    made = DATASETS.build(dict(type='SpaceNetV1Dataset', data_root=str(tmp_path), pipeline=[],
                               data_prefix=dict(img_path='images', seg_map_path='labels')))
    info = made.get_data_info(0)
    assert made.metainfo['classes'] == ('background', 'building') and not made.reduce_zero_label
    assert info['seg_map_path'] == str(tmp_path / 'labels' / 'a.png')
