"""The network of change detection: one encoder for both images, the difference of its maps, a UNet decoder."""
from typing import Any, Dict, Optional, Sequence, Tuple

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.models import EncoderDecoder, SegDataPreProcessor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mtp.adapters.mmrotate1.change_detection.registry import MODELS
from mtp.errors import MTPError

FUSIONS = {
    'concat': lambda before, after: torch.cat([before, after], dim=1),
    'sum': torch.add,
    'diff': lambda before, after: after - before,
    'abs_diff': lambda before, after: torch.abs(before - after),
}


@MODELS.register_module()
class DualInputSegDataPreProcessor(SegDataPreProcessor):
    """As mmseg's, for the two images of a pair in one tensor of six channels; ``mean`` and ``std`` have six values."""

    def __init__(self, mean: Optional[Sequence[float]] = None, std: Optional[Sequence[float]] = None,
                 **kwargs: Any) -> None:
        super().__init__(**kwargs)  # that of mmseg 1.4 takes no six values
        self.swaps_colours = bool(kwargs.get('bgr_to_rgb') or kwargs.get('rgb_to_bgr'))
        if mean is not None:
            self._enable_normalize = True
            for name, values in (('mean', mean), ('std', std)):
                self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(-1, 1, 1), False)

    def forward(self, data: Dict[str, Any], training: bool = False) -> Dict[str, Any]:
        """``inputs``: list of (6, H, W) -> (B, 6, H', W'), normalised and padded; masks are padded along in
        training.
        """
        data = self.cast_data(data)
        inputs = data['inputs']
        if self.swaps_colours and inputs[0].shape[0] == 6:
            inputs = [image[[2, 1, 0, 5, 4, 3]] for image in inputs]
        return super().forward(dict(data, inputs=inputs), training)


@MODELS.register_module()
class SiamEncoderDecoder(EncoderDecoder):
    """As mmseg's ``EncoderDecoder``; the neck gets the maps of both images.

    Args:
        backbone_inchannels: channels of each image.
        kwargs: those of ``EncoderDecoder``; a neck is needed.
    """

    def __init__(self, backbone_inchannels: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.backbone_inchannels = backbone_inchannels
        if not self.with_neck:
            raise MTPError('SiamEncoderDecoder: there is no neck, and nothing else brings the two images together',
                           hint="neck=dict(type='FeatureFusionNeck', policy='abs_diff')")

    def extract_feat(self, inputs: Tensor) -> Sequence[Tensor]:
        """(B, 6, H, W) -> fused maps."""
        before, after = torch.split(inputs, self.backbone_inchannels, dim=1)
        return self.neck(self.backbone(before), self.backbone(after))


@MODELS.register_module()
class FeatureFusionNeck(nn.Module):
    """Maps of two images -> one map for each scale.

    Args:
        policy: a key of ``FUSIONS``.
        out_indices: scales to return.
        in_channels, channels: of Open-CD, where they do nothing either.
    """

    def __init__(self, policy: str, in_channels: Optional[Sequence[int]] = None, channels: Optional[int] = None,
                 out_indices: Sequence[int] = (0, 1, 2, 3)) -> None:
        super().__init__()
        if policy not in FUSIONS:
            raise MTPError(f'FeatureFusionNeck: policy is {policy!r}', hint='one of ' + ', '.join(FUSIONS))
        self.policy, self.out_indices = policy, tuple(out_indices)

    def forward(self, before: Sequence[Tensor], after: Sequence[Tensor]) -> Tuple[Tensor, ...]:
        """Two lists of maps (B, C_i, h_i, w_i) -> maps of the chosen scales."""
        fuse = FUSIONS[self.policy]
        return tuple(fuse(before[index], after[index]) for index in self.out_indices)


def _convolution(in_channels: int, out_channels: int, norm_cfg: Dict[str, Any]) -> nn.Sequential:
    """3 x 3 convolution, norm, ReLU under the published keys ``0`` and ``1``."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
                         build_norm_layer(norm_cfg, out_channels)[1], nn.ReLU(inplace=True))


class _Block(nn.Module):
    """Twice as large, beside the skipped map, two convolutions."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int, norm_cfg: Dict[str, Any]) -> None:
        super().__init__()
        self.conv1 = _convolution(in_channels + skip_channels, out_channels, norm_cfg)
        self.conv2 = _convolution(out_channels, out_channels, norm_cfg)

    def forward(self, x: Tensor, skip: Optional[Tensor] = None) -> Tensor:
        x = F.interpolate(x, scale_factor=2, mode='nearest')
        if skip is not None:
            if skip.shape[2:] != x.shape[2:]:
                skip = F.interpolate(skip, size=x.shape[2:], mode='bilinear', align_corners=False)
            x = torch.cat([x, skip], dim=1)
        return self.conv2(self.conv1(x))


@MODELS.register_module()
class UNetHead(BaseDecodeHead):
    """UNet decoder on the fused maps of two images (published.md#change-detection-head).

    Args:
        encoder_channels: channels of the maps, finest first.
        decoder_channels: channels of the blocks, coarsest first; the last equals ``channels``.
        n_blocks: number of blocks.
        use_batchnorm, attention_type, center: only their published values True, None and False.
        kwargs: those of mmseg's ``BaseDecodeHead``.
    """

    def __init__(self, encoder_channels: Sequence[int], decoder_channels: Sequence[int], n_blocks: int = 4,
                 use_batchnorm: bool = True, attention_type: Optional[str] = None, center: bool = False,
                 **kwargs: Any) -> None:
        super().__init__(input_transform='multiple_select', **kwargs)
        if not use_batchnorm or attention_type or center:
            raise MTPError('UNetHead: use_batchnorm={}, attention_type={!r}, center={}: not a published run'.format(
                use_batchnorm, attention_type, center), hint='leave them away')
        if not n_blocks == len(decoder_channels) or decoder_channels[-1] != self.channels:
            raise MTPError('UNetHead: n_blocks={}, decoder_channels={}, channels={} contradict each other'.format(
                n_blocks, list(decoder_channels), self.channels))
        coarse, *skips = reversed(encoder_channels)
        skips = (list(skips) + [0] * n_blocks)[:n_blocks]
        inputs = [coarse] + list(decoder_channels[:-1])
        self.blocks = nn.ModuleList(_Block(*sizes, self.norm_cfg) for sizes in zip(inputs, skips, decoder_channels))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps (B, C_i, h_i, w_i), finest first -> logits (B, classes, 32 h, 32 w) of the coarsest map's h and w."""
        x, *skips = reversed(inputs)
        for index, block in enumerate(self.blocks):
            x = block(x, skips[index] if index < len(skips) else None)
        x = F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=self.align_corners)
        return self.cls_seg(x)
