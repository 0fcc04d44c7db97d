"""MMRotate 0.3.4 with mmcv-full 1.x and MMDetection 2: the environment in which FAIR1M-2.0 and DOTA-v1.0 are tested.

Importing this package puts MTP's backbones and data sets into the toolbox's registries. Configs do so by
``custom_imports = dict(imports=['mtp.adapters.mmrotate03'])``.
"""
from mtp.adapters import guard

guard.install()  # before a toolbox binds what it opens checkpoints with

from mmcv.runner.checkpoint import CheckpointLoader  # noqa: E402

guard.install(CheckpointLoader)

from mmrotate.models.builder import ROTATED_BACKBONES  # noqa: E402

from mtp import loaders  # noqa: E402
from mtp.adapters import deformable  # noqa: E402
from mtp.adapters.backbones import BY_SCOPE  # noqa: E402
from mtp.adapters.mmrotate03 import datasets, optimizers, pictures  # noqa: E402, F401  (some register themselves)

pictures.install()
loaders.install()

for _name, _module in BY_SCOPE['mmrotate'].items():
    ROTATED_BACKBONES.register_module(name=_name, module=_module, force=True)
deformable.give()
