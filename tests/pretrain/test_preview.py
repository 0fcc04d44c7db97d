"""Pictures of truth and prediction, side by side."""
import os

import cv2
from small_model import build

from mtp.pretrain import annotations, preview


def test_a_panel_of_every_task(samrs, tmp_path):
    source, model = annotations.read('sota'), build(datasets=('sota',)).eval()
    picture = preview.panel(model, source, 0, 96, least_score=0.0)
    assert picture.shape[0] == 96 + 18 and picture.shape[1] == 7 * (96 + 4)
    image, seg, masks, labels = preview.truth(source, 0)
    assert image.shape == (512, 512, 3) and seg.shape == (512, 512) and len(masks) == len(labels) > 3
    colours = [(9, 9, 200)] * 18
    assert (preview.shade_classes(image, seg, colours)[seg == 0] == image[seg == 0]).all()
    drawn = preview.shade_objects(image, masks, labels, colours)
    assert (drawn != image).any(2).sum() >= 0.9 * (sum(masks) > 0).sum()
    assert (preview.outline(image, source.rboxes[:3], source.rlabels[:3], colours) != image).any()
    preview.write_png(str(tmp_path / 'out.png'), picture)
    assert (cv2.imread(str(tmp_path / 'out.png')) == picture).all() and os.listdir(str(tmp_path)) == ['out.png']
