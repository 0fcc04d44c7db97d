"""The operator that DCNv3 is on a card: multi-scale deformable attention, which every mmcv carries compiled."""
import torch

from mtp.nn import dcnv3


def give() -> None:
    """Hand mmcv's operator to the networks, where there is a card and this mmcv was compiled for cards."""
    if not torch.cuda.is_available():
        return  # mmcv.ops takes half a second to import
    from mmcv.ops import get_compiling_cuda_version
    from mmcv.ops.multi_scale_deform_attn import MultiScaleDeformableAttnFunction
    if get_compiling_cuda_version() != 'not available':
        dcnv3.give_operator(MultiScaleDeformableAttnFunction.apply)
