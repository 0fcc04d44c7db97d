"""The registries of the scope ``opencd``. mmengine finds a scope by importing ``<scope>.registry``."""
import importlib.machinery
import sys
import types

from mmengine import registry as root
from mmengine.registry import Registry

SCOPE = 'opencd'
DATASETS = Registry('dataset', parent=root.DATASETS, scope=SCOPE)
HOOKS = Registry('hook', parent=root.HOOKS, scope=SCOPE)
MODELS = Registry('model', parent=root.MODELS, scope=SCOPE)
TRANSFORMS = Registry('transform', parent=root.TRANSFORMS, scope=SCOPE)
VISBACKENDS = Registry('vis_backend', parent=root.VISBACKENDS, scope=SCOPE)
VISUALIZERS = Registry('visualizer', parent=root.VISUALIZERS, scope=SCOPE)


def install() -> None:
    """Let ``import opencd.registry`` give this module. A second set of registries of one scope cannot be had, so the
    package of that name is not imported where it is installed."""
    package = types.ModuleType(SCOPE, 'The parts of Open-CD that the published runs use, made by mtp.')
    package.__path__ = []
    package.__spec__ = importlib.machinery.ModuleSpec(SCOPE, None, is_package=True)
    own = sys.modules[__name__]
    setattr(package, 'registry', own)
    sys.modules[SCOPE], sys.modules[SCOPE + '.registry'] = package, own
