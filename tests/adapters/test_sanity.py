"""What people most often get wrong in their configs and data is one sentence before the first step."""
import pytest

from mtp.adapters import sanity
from mtp.errors import MTPError


@pytest.mark.parametrize('dataset', [dict(type='DOTADataset', metainfo=dict(classes='ship')),
                                     dict(type='CocoDataset', metainfo=dict(classes='ship, plane')),
                                     dict(type='DOTADataset', classes='ship')])
def test_classes_without_a_comma(dataset):
    with pytest.raises(MTPError, match='is the text .ship.*comma(.|\n)*classes=\\(.ship'):
        sanity.classes([dict(type='Other', metainfo=dict(classes=('a',))), dataset])


def test_classes_may_be_a_file_of_names(tmp_path):
    (tmp_path / 'names.txt').write_text('ship\n')
    sanity.classes([dict(classes=str(tmp_path / 'names.txt')), dict(), dict(metainfo=None), dict(classes=['ship'])])


@pytest.mark.parametrize('model, where', [
    (dict(roi_head=dict(bbox_head=dict(type='RotatedShared2FCBBoxHead', num_classes=15))), 'model.roi_head.bbox_head'),
    (dict(bbox_head=dict(num_classes=1)), 'model.bbox_head'),
    (dict(roi_head=dict(bbox_head=[dict(num_classes=2), dict(num_classes=5)])), 'model.roi_head.bbox_head.1'),
    (dict(decode_head=dict(num_classes=2), auxiliary_head=dict(num_classes=3)), 'model.auxiliary_head')])
def test_a_head_for_another_number_of_classes_is_named_with_what_to_type(model, where):
    with pytest.raises(MTPError) as caught:
        sanity.network(model, ('ship', 'plane'))
    assert str(caught.value).endswith(f'--cfg-options {where}.num_classes=2') and 'ship, plane' in str(
        caught.value)


def test_heads_that_fit_and_proposal_heads_pass():
    sanity.network(dict(rpn_head=dict(type='OrientedRPNHead', num_classes=1),
                        roi_head=dict(bbox_head=dict(num_classes=2))),
                   ['ship', 'plane'])
    sanity.network(dict(bbox_head=dict(num_classes=9)), None)


def test_no_image_left_and_images_of_another_suffix(tmp_path):
    with pytest.raises(MTPError, match='no image is left to train on: the labels in lab hold no object'):
        sanity.images(0, None, 'lab')
    (tmp_path / 'a.jpg').write_bytes(b'x')
    with pytest.raises(MTPError, match='a.png is missing; a.jpg is there.*\n.*dataset.img_suffix=jpg'):
        sanity.images(1, lambda position: str(tmp_path / 'a.png'), 'lab', 'train_dataloader.dataset.img_suffix')
    with pytest.raises(MTPError, match='a.png is missing; a.jpg is there.*\n.*cut them again'):
        sanity.images(1, lambda position: str(tmp_path / 'a.png'), 'lab')
    with pytest.raises(MTPError, match='b.png is missing, and its labels are there'):
        sanity.images(5000, lambda position: str(tmp_path / ('b.png' if position > 4000 else 'a.jpg')), 'lab')
    sanity.images(5000, lambda position: str(tmp_path / 'a.jpg'), 'lab')
