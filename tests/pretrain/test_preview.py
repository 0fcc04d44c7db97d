"""Pictures of truth and prediction, side by side, and the same as layers."""
import json
import os

import cv2
import numpy as np
from small_model import build

from mtp.pretrain import preview, preview_layers
from mtp.pretrain.data import annotations


def test_a_panel_of_every_task(samrs, tmp_path):
    source, model = annotations.read('sota'), build(datasets=('sota',)).eval()
    look, true = preview.seen(model, source, 0, 96), preview.truth(source, 0)
    picture = preview.panel(look, true, source, 0, least_score=0.0)
    assert picture.shape[0] == 96 + 18 and picture.shape[1] == 7 * (96 + 4)
    image, seg, masks, labels = true
    assert image.shape == (512, 512, 3) and seg.shape == (512, 512) and len(masks) == len(labels) > 3
    colours = [(9, 9, 200)] * 18
    assert (preview.shade_classes(image, seg, colours)[seg == 0] == image[seg == 0]).all()
    drawn = preview.shade_objects(image, masks, labels, colours)
    assert (drawn != image).any(2).sum() >= 0.9 * (sum(masks) > 0).sum()
    assert (preview.outline(image, source.rboxes[:3], source.rlabels[:3], colours) != image).any()
    preview.write_png(str(tmp_path / 'out.png'), picture)
    assert (cv2.imread(str(tmp_path / 'out.png')) == picture).all() and os.listdir(str(tmp_path)) == ['out.png']


def test_layers_of_every_task(samrs, tmp_path):
    source, model = annotations.read('sota'), build(datasets=('sota',)).eval()
    look, true = preview.seen(model, source, 0, 96), preview.truth(source, 0)
    names = tuple(f'c{number}' for number in range(18))
    with preview_layers.Layers(str(tmp_path), 'sota', names, preview.write_png) as made:
        preview_layers.add(made, 1, true, source, 0, look.found)
    place = tmp_path / 'layers' / 'sota'
    assert sorted(os.listdir(str(place))) == ['images', 'is.json', 'is_truth.json', 'rd.json', 'rd_truth.json', 'ss',
                                              'ss_truth']
    image, seg, masks, labels = true
    assert (cv2.imread(str(place / 'images' / 'sota_1.png')) == image).all()
    assert (cv2.imread(str(place / 'ss_truth' / 'sota_1.png'), 0) == seg).all()
    objects = json.loads((place / 'is_truth.json').read_text())['annotations']
    assert [each['category_id'] for each in objects] == labels.tolist()
    x, y, width, height = objects[0]['bbox']
    rows, columns = np.nonzero(masks[0])
    assert (x, y, x + width, y + height) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    turned = json.loads((place / 'rd_truth.json').read_text())['annotations']
    assert len(turned) == source.rfirst[1] - source.rfirst[0] and len(turned[0]['segmentation'][0]) == 8
