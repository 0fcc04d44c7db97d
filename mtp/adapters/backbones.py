"""The backbones under their published type names, one class per wiring (published.md#wirings).

A toolbox knows a wiring by the scope in which it looks the name up: ``RVSA_MTP`` means another one to a classifier than
to a segmentor. Which scope gets which class is data (``BY_SCOPE``); registering is left to the environment's adapter.
"""
import os
from typing import Any, Optional

from mtp import nn
from mtp.checkpoints import load_backbone


class _Reporting:
    """Says what became of the tensors of ``pretrained``; the runners call :meth:`init_weights` before training.

    Args:
        partial: take a file of which little fits, too (``model.backbone.partial=True``).
        **kwargs: of the network.
    """

    pretrained: Optional[str]  # of the network

    def __init__(self, *, partial: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.partial = partial

    def init_weights(self) -> None:
        """Load ``pretrained``, where it was given."""
        if self.pretrained:
            report = load_backbone(self, self.pretrained, self.partial)
            if os.environ.get('RANK', '0') == '0':
                print(report, flush=True)


class InternImage(_Reporting, nn.InternImage):
    """InternImage, the same for every task."""


class RVSA_MTP_branches(_Reporting, nn.RVSA):  # noqa: N801 (published name)
    """Detection: one map a chosen block, no relative position in full attention."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(variant='det_branches', **kwargs)


class DetectionRVSA(_Reporting, nn.RVSA):
    """Detection, all four maps from the last block. No published run uses it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(variant='det', **kwargs)


class SegmentationRVSA(_Reporting, nn.RVSA):
    """Segmentation: one map a chosen block."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(variant='seg', **kwargs)


class ClassificationRVSA(_Reporting, nn.RVSA):
    """Classification: the chosen blocks as they are, all at stride 16."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(variant='cls', **kwargs)


class ChangeRVSA(_Reporting, nn.RVSA):
    """Change detection: as classification."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(variant='cd', **kwargs)


_DETECTION = {'RVSA_MTP': DetectionRVSA, 'RVSA_MTP_branches': RVSA_MTP_branches, 'InternImage': InternImage}
BY_SCOPE = {
    'mmdet': _DETECTION,
    'mmrotate': _DETECTION,
    'mmseg': {'RVSA_MTP': SegmentationRVSA, 'InternImage': InternImage},
    'mmpretrain': {'RVSA_MTP': ClassificationRVSA, 'InternImage': InternImage},
    'opencd': {'RVSA_MTP': ChangeRVSA, 'InternImage': InternImage},
}
