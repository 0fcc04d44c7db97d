"""The model of a resolved config, from the registry of its toolbox."""
import importlib

from mmengine.registry import init_default_scope


def build(cfg):
    """The module that ``cfg`` describes."""
    scope = cfg.default_scope
    init_default_scope(scope)
    if scope != 'opencd':  # all of it is ours, and registered
        importlib.import_module(scope + '.utils').register_all_modules(init_default_scope=False)
    return importlib.import_module(scope + '.registry').MODELS.build(cfg.model)
