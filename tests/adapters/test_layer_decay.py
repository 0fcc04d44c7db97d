import torch

from mtp.adapters.layer_decay import constructors


class Base:
    def __init__(self, optimizer_cfg, paramwise_cfg):
        self.optimizer_cfg, self.paramwise_cfg = optimizer_cfg, paramwise_cfg


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Module()
        self.backbone.pos_embed = torch.nn.Parameter(torch.zeros(1, 4, 8))
        self.backbone.blocks = torch.nn.ModuleList([torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)])
        self.backbone.levels = torch.nn.ModuleList([torch.nn.Module()])
        self.backbone.levels[0].blocks = torch.nn.ModuleList([torch.nn.Linear(8, 8)])
        self.head = torch.nn.Linear(8, 2)


def groups(kind, **settings):
    constructor = {made.__name__: made for made in constructors(Base)}[kind]
    found = []
    constructor(dict(type='AdamW', lr=1.0, weight_decay=0.05), settings).add_params(found, Model(), prefix='')
    return {name: (group['lr'], group['weight_decay']) for group in found for name in group['param_names']}


def test_vit():
    found = groups('LayerDecayOptimizerConstructor_ViT', num_layers=2, layer_decay_rate=0.5)
    assert found['backbone.pos_embed'] == (0.125, 0.0)
    assert found['backbone.blocks.0.weight'] == (0.25, 0.05)
    assert found['backbone.blocks.1.bias'] == (0.5, 0.0)
    assert found['head.weight'] == (1.0, 0.05)
    assert len(found) == len(dict(Model().named_parameters()))


def test_internimage_decays_in_fine_tuning_unless_the_released_code_is_asked_for():
    """The released rule looks for ``encoder.`` and finds ``backbone.`` (published.md#decay-of-internimage)."""
    name, settings = 'CustomLayerDecayOptimizerConstructor_InternImage', dict(
        num_layers=4, layer_decay_rate=0.5, depths=[1, 1, 1, 1])
    weight = 'backbone.levels.0.blocks.0.weight'
    assert groups(name, **settings)[weight][0] == 0.0625
    assert groups(name, recipe='released_code', **settings)[weight][0] == 1.0
