"""The published backbones in timm's registry: ``timm.create_model('mtp_vit_l_rvsa', features_only=True)``.

Importing this module registers them; timm itself stays optional. A checkpoint is given by its path
(``checkpoint_path=`` of ``timm.create_model`` wants bare keys, ``mtp_checkpoint=`` takes every published layout).
"""
from typing import Any, Callable, List, Optional, Union

from torch import Tensor, nn

from mtp.backbones import BACKBONES
from mtp.checkpoints import load_backbone
from mtp.errors import MTPError
from mtp.nn import build

try:
    from timm.models import register_model
except ImportError:  # timm < 0.9
    from timm.models.registry import register_model


class FeatureInfo:
    """Channels and strides of the returned maps, asked as timm's ``FeatureInfo`` is."""

    def __init__(self, channels: List[int], strides: List[int]) -> None:
        self.out_indices = tuple(range(len(channels)))
        self._channels, self._strides = list(channels), list(strides)

    def channels(self, idx: Optional[int] = None) -> Union[int, List[int]]:
        """Channels of map ``idx``, or of every map."""
        return self._channels if idx is None else self._channels[idx]

    def reduction(self, idx: Optional[int] = None) -> Union[int, List[int]]:
        """Pixels of the image per pixel of map ``idx``, or of every map."""
        return self._strides if idx is None else self._strides[idx]

    def module_name(self, idx: Optional[int] = None) -> Union[str, List[str]]:
        """Name of map ``idx``, or of every map."""
        names = [f'map{number}' for number in self.out_indices]
        return names if idx is None else names[idx]

    def __len__(self) -> int:
        return len(self._channels)


class Features(nn.Module):
    """(B, 3, H, W) -> list of maps (B, C_i, H / stride_i, W / stride_i) of the wrapped backbone.

    Attributes:
        model: the RVSA or InternImage.
        feature_info: channels and strides of the maps.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.feature_info = FeatureInfo(model.out_channels, model.strides)

    def forward(self, image: Tensor) -> List[Tensor]:
        """The maps, finest first."""
        return list(self.model(image))


def _create(name: str, pretrained: bool = False, features_only: bool = True, mtp_checkpoint: Optional[str] = None,
            **kwargs: Any) -> Features:
    """The backbone ``name`` with its maps as features.

    Args:
        pretrained: no index of weights serves these; give ``mtp_checkpoint``.
        features_only: these are backbones without a classifier; False is refused.
        mtp_checkpoint: file of any published layout.
        kwargs: arguments of the backbone, e.g. ``img_size=512``, ``variant='seg'``.

    Raises:
        MTPError: pretrained weights without a file, or a classifier was asked for.
    """
    if pretrained and not mtp_checkpoint:
        raise MTPError(f'{name}: timm has no address for these weights',
                       hint=f"timm.create_model('mtp_{name}', features_only=True, mtp_checkpoint='FILE')")
    if not features_only:
        raise MTPError(f'mtp_{name} is a backbone without a classifier', hint='features_only=True')
    for word in ('pretrained_cfg', 'pretrained_cfg_overlay', 'cache_dir', 'out_indices'):
        if kwargs.get(word) is None:
            kwargs.pop(word, None)
    model = build(name, **kwargs)
    if mtp_checkpoint:
        load_backbone(model, mtp_checkpoint)
    return Features(model)


def _registered(name: str) -> Callable[..., Features]:
    """What timm calls for the backbone ``name``, under the name by which it finds it."""
    def create(pretrained: bool = False, **kwargs: Any) -> Features:
        return _create(name, pretrained, **kwargs)
    create.__name__ = create.__qualname__ = f'mtp_{name}'
    create.__doc__ = f'{BACKBONES[name].title}: four maps, finest first.'
    return register_model(create)


globals().update({f'mtp_{name}': _registered(name) for name in BACKBONES})
