"""Change detection for Open-CD 1.1: the UNet decoder, OSCD, pictures. The other data sets are the toolbox's own."""
import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import nn

from mtp.adapters.mmrotate1 import opencd_imports
from mtp.data import catalogue
from mtp.errors import MTPError

opencd_imports.prepare()
from opencd.datasets.basecddataset import _BaseCDDataset  # noqa: E402
from opencd.engine import hooks as stock  # noqa: E402
from opencd.registry import DATASETS, HOOKS, MODELS  # noqa: E402
from opencd.visualization import CDLocalVisualizer  # noqa: E402

opencd_imports.mend(CDLocalVisualizer)


def _convolution(in_channels, out_channels, norm_cfg):
    """3 x 3 convolution, norm, ReLU under the published keys ``0`` and ``1``."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
                         build_norm_layer(norm_cfg, out_channels)[1], nn.ReLU(inplace=True))


class _Block(nn.Module):
    """Twice as large, beside the skipped map, two convolutions."""

    def __init__(self, in_channels, skip_channels, out_channels, norm_cfg):
        super().__init__()
        self.conv1 = _convolution(in_channels + skip_channels, out_channels, norm_cfg)
        self.conv2 = _convolution(out_channels, out_channels, norm_cfg)

    def forward(self, x, skip=None):
        x = F.interpolate(x, scale_factor=2, mode='nearest')
        if skip is not None:
            if skip.shape[2:] != x.shape[2:]:
                skip = F.interpolate(skip, size=x.shape[2:], mode='bilinear', align_corners=False)
            x = torch.cat([x, skip], dim=1)
        return self.conv2(self.conv1(x))


@MODELS.register_module(force=True)
class UNetHead(BaseDecodeHead):
    """UNet decoder on the fused maps of two images (finetuning 2.5).

    Args:
        encoder_channels: channels of the maps, finest first.
        decoder_channels: channels of the blocks, coarsest first; the last equals ``channels``.
        n_blocks: number of blocks.
        use_batchnorm, attention_type, center: only their published values True, None and False.
        kwargs: those of mmseg's ``BaseDecodeHead``.
    """

    def __init__(self, encoder_channels, decoder_channels, n_blocks=4, use_batchnorm=True, attention_type=None,
                 center=False, **kwargs):
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

    def forward(self, inputs):
        """Maps (B, C_i, h_i, w_i), finest first -> logits (B, classes, 32 h, 32 w) of the coarsest map's h and w."""
        x, *skips = reversed(inputs)
        for index, block in enumerate(self.blocks):
            x = block(x, skips[index] if index < len(skips) else None)
        x = F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=self.align_corners)
        return self.cls_seg(x)


@DATASETS.register_module(force=True)
class OSCD_RGB_CD_Dataset(_BaseCDDataset):  # noqa: N801 (published name)
    """OSCD in its three visible bands, as patches; labels of 128 and more are changes."""

    METAINFO = dict(classes=catalogue.get('oscd').classes,
                    palette=[list(colour) for colour in catalogue.get('oscd').palette])

    def __init__(self, img_suffix='.png', seg_map_suffix='.png', format_seg_map='to_binary', **kwargs):
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, format_seg_map=format_seg_map, **kwargs)


@HOOKS.register_module(force=True)
class CDVisualizationHook(stock.CDVisualizationHook):
    """As the toolbox's own, which keeps one size for all images, the configured one or the first's (finetuning 2.4)."""

    def _after_iter(self, runner, batch_idx, data_batch, outputs, mode='val'):
        for output in outputs:
            self.img_shape = None
            super()._after_iter(runner, batch_idx, data_batch, [output], mode)
