"""Backbones by name, with the settings of :mod:`mtp.backbones`."""
from typing import Any

from torch import nn

from mtp import backbones
from mtp.nn.internimage import InternImage
from mtp.nn.rvsa import RVSA

CLASSES = {backbones.VIT: RVSA, backbones.INTERN: InternImage}
#: Name -> (class, what its constructor takes).
BACKBONES = {name: (CLASSES[entry.family], entry.settings) for name, entry in backbones.BACKBONES.items()}


def build(name: str, **overrides: Any) -> nn.Module:
    """The backbone ``name`` with constructor arguments replaced by ``overrides``.

    Raises:
        MTPError: there is no such backbone, or it has no such argument.
    """
    entry = backbones.get(name)
    return CLASSES[entry.family](**dict(entry.settings, **overrides))
