"""The model of a config, built by whichever toolbox this Python has, with the weights it starts from."""
import importlib

from torch import nn

from mtp.adapters import command, environment
from mtp.launch import ledger


def build(config: str) -> nn.Module:
    """The module that ``config`` (path or bare name) describes, on the CPU."""
    name = environment.name()
    path = command.locate(config, name, 'test')
    importlib.import_module('mtp.adapters.' + ledger.environment(name)['adapter'])  # it finds the bases of any config
    return {1: _first_generation, 2: _second_generation}[ledger.environment(name)['generation']](path)


def _second_generation(path: str) -> nn.Module:
    settings = importlib.import_module('mmengine.config').Config.fromfile(path)
    registry = importlib.import_module('mmengine.registry')
    registry.init_default_scope(settings.get('default_scope', 'mmengine'))
    return registry.MODELS.build(settings.model)


def _first_generation(path: str) -> nn.Module:
    settings = importlib.import_module('mmcv').Config.fromfile(path)
    return importlib.import_module('mmrotate.models').build_detector(settings.model)
