import pytest
import torch
from mmengine.structures import InstanceData

from mtp.adapters.mmrotate1 import detector


@pytest.mark.parametrize('shape', [(0, 5), (0, 4), (0,), (2, 5), (2, 4)])
def test_a_tile_without_detections_has_the_shapes_of_one_with_some(shape):
    count = shape[0]
    found = InstanceData(bboxes=torch.ones(shape), scores=torch.zeros(count),
                         labels=torch.zeros(count, dtype=torch.long))
    boxes, scores, labels = detector._columns(found)
    assert (boxes.shape, scores.shape, labels.shape) == ((count, 5), (count,), (count,))
