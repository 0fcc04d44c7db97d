"""State dicts of the published layouts."""
import os
import sys
from collections import OrderedDict

import pytest
import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from checkpoint_parts import DECODERS, backbone  # noqa: E402


@pytest.fixture
def encoder():
    return OrderedDict(backbone().state_dict())


@pytest.fixture
def whole_model(encoder):
    """As pretraining saves it."""
    state = OrderedDict(('encoder.' + key, value) for key, value in encoder.items())
    state.update((key, torch.full(shape, float(i))) for i, (key, shape) in enumerate(DECODERS.items()))
    return state


@pytest.fixture
def detector():
    """As OpenMMLab 2 saves it."""
    own = backbone(variant='det_branches').state_dict()
    state = OrderedDict(('backbone.' + key, value) for key, value in own.items())
    for key, shape in {'neck.lateral_convs.0.conv.weight': (5, 4), 'rpn_head.rpn_reg.weight': (18, 4),
                       'roi_head.bbox_head.shared_fcs.0.weight': (5, 4), 'roi_head.bbox_head.fc_cls.weight': (16, 4),
                       'roi_head.bbox_head.fc_reg.weight': (5, 4)}.items():
        state[key] = torch.zeros(shape)
    return state
