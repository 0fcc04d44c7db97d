"""OpenMMLab 2: MMRotate 1.x, MMDetection 3, MMSegmentation 1, MMPretrain and Open-CD.

Importing this package puts MTP's backbones, data sets and optimizer rules into the registries of those toolboxes that
are installed. Configs do so by ``custom_imports = dict(imports=['mtp.adapters.mmrotate1'])``.
"""
from mtp.adapters import guard

guard.install()  # before a toolbox binds what it opens checkpoints with

from mmengine.logging import HistoryBuffer  # noqa: E402
from mmengine.runner import CheckpointLoader  # noqa: E402

guard.install(CheckpointLoader, HistoryBuffer)

from mtp import antialias, loaders  # noqa: E402
from mtp.adapters import deformable  # noqa: E402
from mtp.adapters.mmrotate1 import bases, pictures, registration  # noqa: E402

antialias.give()
bases.install()
pictures.install()
loaders.install()
registration.register()
deformable.give()
