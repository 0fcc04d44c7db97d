"""Batch normalisation that also works where a single process sees a single image of a data set."""
import torch
import torch.nn.functional as F
from mmengine.registry import MODELS
from torch import nn


@MODELS.register_module()
class SingleValueBN(nn.BatchNorm2d):
    """BatchNorm2d that takes its running statistics where a channel has one value only.

    UPerNet pools its top map to 1 x 1. With one image of a data set in the step that is one value a channel, which has
    no variance. On several GPUs SyncBN sees the other processes' values instead; this form serves one process and the
    CPU.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, c, h, w) -> the same shape."""
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)
