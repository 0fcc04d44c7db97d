"""The decoder of semantic segmentation: UPerNet for all data sets, with last layers of its own for each."""
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import nn

from .. import tasks
from . import decoder_configs
from . import norm as _norm  # noqa: F401  (registers our normalisation)


class SemanticSegmenter(nn.Module):
    """UPerNet.

    Args:
        in_channels: channels of the encoder's four maps.
        size: :class:`decoder_configs.Size`.
        classes: dataset -> number of classes, in order.
        background: whether unlabelled pixels are a class of their own (index 0) or are ignored.
        norm: ``SingleValueBN``, ``BN`` or ``SyncBN``.
    """

    name, truth, wants = 'semsegdecoder', 'seg', ('background', 'norm')

    def __init__(self, in_channels: Sequence[int], size: decoder_configs.Size, classes: Dict[str, int],
                 background: bool = True, norm: str = 'SingleValueBN') -> None:
        super().__init__()
        self.background = background
        self.decode_head = MODELS.build(decoder_configs.upernet(in_channels, size, norm))
        # a plain dict: the layers are registered by the model under their published names
        self.last = {name: nn.Sequential(nn.Dropout2d(0.1), nn.Conv2d(size.channels, count + int(background), 1))
                     for name, count in classes.items()}

    def published(self) -> Iterator[Tuple[str, nn.Module]]:
        """(published name, module) of the last layers, in their published order."""
        for name, layers in self.last.items():
            yield f'semseghead_{tasks.number(name)}', layers

    def losses(self, maps: List[torch.Tensor], labels: Dict[str, torch.Tensor]) -> Dict[Tuple[str, str], torch.Tensor]:
        """(dataset, component) -> loss.

        Args:
            maps: four maps of the images of all datasets, one dataset after the other.
            labels: dataset -> (n, H, W) labels of its images, in that order.
        """
        found, begin = {}, 0
        for name, own in labels.items():
            end = begin + len(own)
            # one dataset at a time: its batch normalisation statistics are its own
            found[name, 'loss_ce'] = self.loss(self.logits([level[begin:end] for level in maps], name), own)
            begin = end
        return found

    def logits(self, maps: List[torch.Tensor], dataset: str) -> torch.Tensor:
        """Class scores (n, classes, S/4, S/4) of one dataset's images."""
        return self.last[dataset](self.decode_head._forward_feature(maps))

    def loss(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Cross-entropy at the labels' resolution, averaged over all pixels, ignored ones included.

        See published.md#ignored-pixels.
        """
        if not self.background:
            labels = torch.where(labels == 255, labels, labels - 1)
            labels = torch.where(labels < 0, torch.full_like(labels, 255), labels)
        # Channels last from before the enlarging on: a CPU is twice as fast at a softmax over neighbours in memory.
        logits = F.interpolate(logits.contiguous(memory_format=torch.channels_last), size=labels.shape[-2:],
                               mode='bilinear', align_corners=False).permute(0, 2, 3, 1)
        return F.cross_entropy(logits.flatten(0, 2), labels.flatten(), ignore_index=255, reduction='none').mean()

    def predict(self, maps: List[torch.Tensor], metas: List[Dict[str, Any]], dataset: str) -> List[torch.Tensor]:
        """(h, w) int64 labels for each image, in pixels of the original image; 0 is the background."""
        side = [4 * edge for edge in maps[0].shape[-2:]]
        logits = F.interpolate(self.logits(maps, dataset), size=side, mode='bilinear', align_corners=False)
        return [self._labels(*pair) for pair in zip(logits, metas)]

    def _labels(self, logits: torch.Tensor, meta: Dict[str, Any]) -> torch.Tensor:
        height, width = meta['img_shape']
        scores = F.interpolate(logits[None, :, :height, :width], size=meta['ori_shape'], mode='bilinear',
                               align_corners=False)
        return scores[0].argmax(0) + int(not self.background)
