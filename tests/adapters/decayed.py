"""What both generations' optimizers have to hold: the rate and the weight decay of each parameter by its name."""
import torch

from mtp.nn import build
from mtp.nn.layer_decay import LayerDecay

FAMILIES = {
    'LayerDecayOptimizerConstructor_ViT': (
        dict(name='vit_t_rvsa', img_size=112, embed_dim=16, num_heads=2), dict(num_layers=6, layer_decay_rate=0.9)),
    'CustomLayerDecayOptimizerConstructor_InternImage': (
        dict(name='internimage_xl', channels=16, depths=[1, 1, 1, 1], groups=[1, 2, 4, 8]),
        dict(num_layers=4, layer_decay_rate=0.94, depths=[1, 1, 1, 1])),
}
OPTIMIZER = dict(type='AdamW', lr=1e-4, betas=(0.9, 0.999), weight_decay=0.05)


def detector(backbone):
    """A backbone, a head, and one parameter that is not trained."""
    model = torch.nn.Module()
    model.backbone = build(**backbone)
    model.bbox_head = torch.nn.Linear(4, 4)
    model.bbox_head.bias.requires_grad_(False)
    return model


def compare(kind, optimizer, model, recipe):
    """Hold each parameter of a toolbox's optimizer to the rule, which tests/nn holds to the spec."""
    settings = FAMILIES[kind][1]
    family = 'vit' if 'ViT' in kind else 'internimage'
    rule = LayerDecay(family, settings['num_layers'], settings['layer_decay_rate'], settings.get('depths'), recipe)
    found = {id(p): (group['lr'], group['weight_decay']) for group in optimizer.param_groups for p in group['params']}
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    assert len(found) == len(trained) > 50
    for name, parameter in trained:
        scale, decays = rule.rule(name, parameter.dim())
        assert found[id(parameter)] == (1e-4 * scale, 0.05 if decays else 0.), name
    rates = {rate for rate, _ in found.values()}
    assert len(rates) == (1 if family == 'internimage' and recipe == 'released_code' else settings['num_layers'] + 2)
