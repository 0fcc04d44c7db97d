"""The two ways to pretrain, switch by switch.

``paper`` trains what the paper describes. ``released_code`` repeats what the published code computes, its defects
included, so that its curves can be reproduced. Facts (published.md#switches) that are the same in both have no switch:
UPerNet's batch normalisation sees one data set at a time, the semantic loss is divided by all pixels, ignored ones
included (published.md#ignored-pixels), and the decoders keep PyTorch's default initial values
(published.md#initial-values-of-decoders).
"""
import dataclasses

from mtp.errors import MTPError


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Every switch of the pretraining recipe.

    Attributes:
        name: ``paper`` or ``released_code``.
        box_targets: what the instance box branch regresses: ``encoded`` (the box deltas) or ``ones`` (a constant;
            published.md#box-targets).
        small_crop_label: semantic label of a crop smaller than the input: ``padded`` with 255 like the image, or
            ``stretched`` (the logits of the whole input are squeezed onto the unpadded label;
            published.md#stretched-labels).
        colour: images are ``uint8`` while colours are distorted, or ``float32``, where OpenCV's HSV has other value
            ranges than the distortion assumes (published.md#colour-distortion).
        vit_layer_decay: learning-rate decay from one ViT layer to the one below. 1.0 is none: the released code asks
            for 0.9, but its rule matches no parameter (published.md#layer-decay-of-the-vit).
        drop_degenerate: rotated boxes with a side below one pixel are dropped when the annotations are read. They give
            ``log 0`` otherwise (published.md#degenerate-boxes).
    """

    name: str
    box_targets: str
    small_crop_label: str
    colour: str
    drop_degenerate: bool
    vit_layer_decay: float


RECIPES = {
    'paper': Recipe('paper', box_targets='encoded', small_crop_label='padded', colour='uint8', drop_degenerate=True,
                    vit_layer_decay=0.9),
    'released_code': Recipe(
        'released_code', box_targets='ones', small_crop_label='stretched', colour='float32', drop_degenerate=False,
        vit_layer_decay=1.0),
}


def get(name: str) -> Recipe:
    """The recipe called ``name``.

    Raises:
        MTPError: no such recipe.
    """
    if name not in RECIPES:
        raise MTPError(f'recipe {name!r} is unknown', hint='take one of: ' + ', '.join(RECIPES))
    return RECIPES[name]
