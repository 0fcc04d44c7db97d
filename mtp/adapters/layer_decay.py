"""The published optimizer constructors, but for the toolbox's base class and registry."""
from typing import Any, Dict, List

from torch import nn

from mtp.nn.layer_decay import LayerDecay

FAMILIES = {'LayerDecayOptimizerConstructor_ViT': 'vit',
            'CustomLayerDecayOptimizerConstructor_InternImage': 'internimage'}


def constructors(base: type) -> List[type]:
    """The two constructors as classes derived from a toolbox's default one.

    Their ``paramwise_cfg`` holds ``num_layers``, ``layer_decay_rate``, for InternImage ``depths``, and ``recipe``:
    ``'paper'`` (default), or ``'released_code'``, where InternImage's decay never takes effect in fine-tuning
    (published.md#layer-decay).
    """
    def add_params(self: Any, params: List[Dict[str, Any]], module: nn.Module, **_: Any) -> None:
        settings = self.paramwise_cfg
        decay = LayerDecay(self.family, settings['num_layers'], settings['layer_decay_rate'], settings.get('depths'),
                           settings.get('recipe', 'paper'))
        optimizer = self.optimizer_cfg
        params.extend(decay.groups(module.named_parameters(), optimizer['lr'], optimizer.get('weight_decay', 0.)))

    return [type(name, (base,), {'__doc__': constructors.__doc__, 'family': family, 'add_params': add_params})
            for name, family in FAMILIES.items()]
