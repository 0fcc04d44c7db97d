"""Which of our modules go into the registries of which toolbox."""
import importlib
import importlib.util

from mtp.adapters.backbones import BY_SCOPE

# What a toolbox gets besides the backbones.
MODULES = {'mmrotate': ('datasets',), 'mmdet': ('horizontal',), 'mmseg': ('segmentation',),
           'mmpretrain': ('classification',)}
# A scope without its toolbox: all of it is ours.
OWN = {'opencd': 'change_detection'}


def register() -> None:
    """Register for every toolbox that is installed; ones that are not are left out, and a config that needs one fails
    with the toolbox's own message."""
    for name in ('optimizers', 'trackers'):
        importlib.import_module('mtp.adapters.mmrotate1.' + name)
    for scope, classes in BY_SCOPE.items():
        if scope in OWN:
            importlib.import_module('mtp.adapters.mmrotate1.' + OWN[scope])
        elif importlib.util.find_spec(scope) is None:
            continue
        models = importlib.import_module(scope + '.registry').MODELS
        for name, module in classes.items():
            models.register_module(name=name, module=module, force=True)
        for part in MODULES.get(scope, ()):
            importlib.import_module('mtp.adapters.mmrotate1.' + part)
