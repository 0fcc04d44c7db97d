"""Which of our modules go into the registries of which toolbox."""
import importlib
import importlib.util

from mtp.adapters.backbones import BY_SCOPE

# What a toolbox gets besides the backbones. Open-CD comes from a Git host and may be missing.
MODULES = {'mmrotate': ('datasets',), 'mmdet': ('horizontal',), 'mmseg': ('segmentation',),
           'opencd': ('change',)}


def register():
    """Register for every toolbox that is installed; ones that are not are left out, and a config that needs one fails
    with the toolbox's own message."""
    importlib.import_module('mtp.adapters.mmrotate1.optimizers')
    for scope, classes in BY_SCOPE.items():
        if importlib.util.find_spec(scope) is None:
            continue
        models = importlib.import_module(scope + '.registry').MODELS
        for name, module in classes.items():
            models.register_module(name=name, module=module, force=True)
        for module in MODULES.get(scope, ()):
            importlib.import_module('mtp.adapters.mmrotate1.' + module)
