"""What the model eats: one :class:`DatasetBatch` for every dataset of a step, prepared on the device.

See published.md#on-the-device.
"""
import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch

MEAN = (123.675, 116.28, 103.53)  # RGB
STD = (58.395, 57.12, 57.375)


@dataclasses.dataclass
class Truth:
    """What is known of one image, in pixels of the model's input.

    Attributes:
        shape: (height, width) of the crop inside the padded input.
        hboxes: (n, 4) float32, x1 y1 x2 y2.
        labels: (n,) int64.
        masks: (n, S, S) uint8.
        rboxes: (m, 5) float32, cx cy w h theta (radians, clockwise).
        rlabels: (m,) int64.
        name: where the image came from, for messages.
    """

    shape: tuple
    hboxes: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor
    rboxes: torch.Tensor
    rlabels: torch.Tensor
    name: str = ''

    def to(self, device: Union[str, torch.device]) -> 'Truth':
        """Copy on ``device``; moves without waiting when the memory is pinned."""
        return dataclasses.replace(self, **{key: value.to(device, non_blocking=True)
                                            for key, value in vars(self).items() if torch.is_tensor(value)})

    def pin_memory(self) -> 'Truth':
        """Copy in page-locked memory (called by the loader)."""
        return dataclasses.replace(
            self, **{key: value.pin_memory() for key, value in vars(self).items() if torch.is_tensor(value)})

    @property
    def meta(self) -> Dict[str, Any]:
        """The image facts that mmdet's heads ask for."""
        padded = tuple((side + 31) // 32 * 32 for side in self.shape)
        return dict(img_shape=self.shape, pad_shape=padded, ori_shape=self.shape, scale_factor=(1.0, 1.0))


@dataclasses.dataclass
class DatasetBatch:
    """The images of one dataset in one step.

    Attributes:
        images: (n, 3, S, S): raw BGR (uint8 or float32), or after :func:`prepare` normalised RGB float32.
        truths: one :class:`Truth` per image.
        seg: (n, h, w) labels, 0 is background, class k is k + 1, 255 is ignored.
        skipped: what was wrong with each damaged sample that another one replaced.
    """

    images: torch.Tensor
    truths: List[Truth]
    seg: Optional[torch.Tensor] = None
    skipped: List[str] = dataclasses.field(default_factory=list)

    def to(self, device: Union[str, torch.device]) -> 'DatasetBatch':
        seg = None if self.seg is None else self.seg.to(device, non_blocking=True)
        return DatasetBatch(self.images.to(device, non_blocking=True), [t.to(device) for t in self.truths], seg,
                            self.skipped)

    def pin_memory(self) -> 'DatasetBatch':
        seg = None if self.seg is None else self.seg.pin_memory()
        return DatasetBatch(self.images.pin_memory(), [t.pin_memory() for t in self.truths], seg, self.skipped)


def normalise(images: torch.Tensor, shapes: Sequence[Tuple[int, int]]) -> torch.Tensor:
    """Raw BGR (n, 3, S, S) -> RGB float32 of mean 0 and spread 1; 0 outside each (height, width) of ``shapes``."""
    images = images.float().flip(1)
    mean, std = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    images = (images - mean) / std
    for image, (height, width) in zip(images, shapes):
        image[:, height:] = 0
        image[:, :, width:] = 0
    return images


def prepare(batch: DatasetBatch) -> DatasetBatch:
    """Raw BGR pixels -> normalised RGB; what lies outside an image's crop becomes 0 after the normalisation."""
    images = normalise(batch.images, [truth.shape for truth in batch.truths])
    seg = None if batch.seg is None else batch.seg.long()
    return DatasetBatch(images, batch.truths, seg)
