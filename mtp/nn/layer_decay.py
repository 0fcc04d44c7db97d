"""Layer-wise learning-rate decay: from a parameter's name to its learning-rate scale and weight decay.

Pure Python (published.md#layer-decay); the adapters wrap it as optimizer constructors. The learning rate of layer ``i``
of ``L`` is ``rate ** (L - 1 - i)`` times the base: early layers move slowly, necks and heads at full speed.

The published rules look for one prefix each, ``backbone.`` for the ViT and ``encoder.`` for InternImage. A backbone is
called ``encoder`` in pretraining and ``backbone`` in fine-tuning, so the ViT's decay never worked in pretraining
(published.md#layer-decay-of-the-vit) and InternImage's never in fine-tuning. ``recipe='released_code'`` keeps that;
``'paper'`` takes either name.
"""
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple

from mtp.errors import MTPError

if TYPE_CHECKING:
    from torch.nn import Parameter

_PREFIX = {'vit': 'backbone.', 'internimage': 'encoder.'}
_NO_DECAY = {'vit': ('pos_embed',), 'internimage': ('relative_position', 'norm', 'sampling_offsets')}
# First-layer names of query-based heads in the published InternImage rule; no model of MTP has them.
_QUERY_HEADS = tuple('decode_head.' + name for name in (
    'mask_embed', 'cls_embed', 'level_embed', 'query_embed', 'query_feat'))


class LayerDecay:
    """The published rule of one family.

    Args:
        family: 'vit' or 'internimage'.
        num_layers: blocks of the backbone: 12 or 24 (ViT), 39 (InternImage-XL).
        rate: decay of one layer: 0.9 (ViT), 0.94 (InternImage).
        depths: layers of each InternImage level.
        recipe: 'paper' or 'released_code'.
    """

    def __init__(self, family: str, num_layers: int, rate: float, depths: Optional[Sequence[int]] = None,
                 recipe: str = 'paper') -> None:
        if family not in _PREFIX or recipe not in ('paper', 'released_code'):
            raise MTPError(f'layer decay: family={family!r}, recipe={recipe!r}',
                           hint="family 'vit' or 'internimage', recipe 'paper' or 'released_code'")
        if family == 'internimage' and (not depths or sum(depths) != num_layers):
            raise MTPError(f'layer decay: depths={depths} do not add up to num_layers={num_layers}',
                           hint='InternImage-XL: num_layers=39, depths=[5, 5, 24, 5]')
        self.family, self.num_layers, self.rate, self.depths = family, num_layers, rate, depths
        self.prefixes = (_PREFIX[family],) if recipe == 'released_code' else ('backbone.', 'encoder.')

    def layer_id(self, name: str) -> int:
        """0 for the embedding, then the blocks, ``num_layers + 1`` for everything else."""
        last = self.num_layers + 1
        if self.family == 'internimage' and (name.startswith(_QUERY_HEADS) or 'level_embeds' in name):
            return 0
        prefix = next((prefix for prefix in self.prefixes if name.startswith(prefix)), None)
        if prefix is None:
            return last
        find = self._vit_layer if self.family == 'vit' else self._internimage_layer
        layer = find(name[len(prefix):])
        return last if layer is None else layer

    @staticmethod
    def _vit_layer(name: str) -> Optional[int]:
        if name in ('cls_token', 'mask_token', 'pos_embed') or name.startswith('patch_embed'):
            return 0
        return int(name.split('.')[1]) + 1 if name.startswith('blocks.') else None

    def _internimage_layer(self, name: str) -> Optional[int]:
        if name.startswith(('patch_embed', 'cb_modules.0.patch_embed')):
            return 0
        if not name.startswith(('levels.', 'layers.')):
            return None
        _, level, part, index = name.split('.')[:4]
        depths = self.depths or ()  # this family has them
        if part == 'blocks':
            return int(index) + 1 + sum(depths[:int(level)])
        return 1 + sum(depths[:min(int(level) + 1, 3)])  # the step down moves with the level it leads to

    def scale(self, layer: int) -> float:
        """Learning-rate scale of ``layer``."""
        return self.rate ** (self.num_layers + 1 - layer)

    def decays(self, name: str, dimensions: int) -> bool:
        """Whether weight decay applies to a parameter of that name and number of dimensions."""
        return not (dimensions == 1 or name.endswith('.bias') or any(part in name for part in _NO_DECAY[self.family]))

    def rule(self, name: str, dimensions: int) -> Tuple[float, bool]:
        """(learning-rate scale, whether weight decay applies)."""
        return self.scale(self.layer_id(name)), self.decays(name, dimensions)

    def groups(self, named_parameters: Iterable[Tuple[str, 'Parameter']], base_lr: float,
               weight_decay: float) -> List[Dict[str, Any]]:
        """Optimizer parameter groups, one a layer and decay flag, in the order their first parameter comes.

        Args:
            named_parameters: iterable of (name, parameter); those that need no gradient are left out.

        Returns:
            list of dict with params, lr, weight_decay, lr_scale, group_name, param_names.
        """
        groups: Dict[str, Dict[str, Any]] = OrderedDict()
        for name, parameter in named_parameters:
            if not parameter.requires_grad:
                continue
            layer, decays = self.layer_id(name), self.decays(name, parameter.dim())
            key = 'layer_{}_{}'.format(layer, 'decay' if decays else 'no_decay')
            if key not in groups:
                scale = self.scale(layer)
                groups[key] = dict(params=[], param_names=[], group_name=key, lr_scale=scale, lr=scale * base_lr,
                                   weight_decay=weight_decay if decays else 0.)
            groups[key]['params'].append(parameter)
            groups[key]['param_names'].append(name)
        return list(groups.values())
