"""The golden files' helpers are importable in this folder."""
import os
import sys

import pytest
import torch

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)
sys.path.insert(0, os.path.join(ROOT, 'tests', 'golden'))


@pytest.fixture
def empty_weights(monkeypatch):
    """Whole published models in a second: their initial values are never computed."""
    for name in ('trunc_normal_', 'xavier_uniform_'):
        monkeypatch.setattr(torch.nn.init, name, lambda tensor, **_: tensor)
    for kind in (torch.nn.Linear, torch.nn.Conv2d, torch.nn.ConvTranspose2d):
        monkeypatch.setattr(kind, 'reset_parameters', lambda self: None)
