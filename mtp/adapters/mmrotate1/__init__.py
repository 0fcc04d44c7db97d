"""OpenMMLab 2: MMRotate 1.x, MMDetection 3, MMSegmentation 1, MMPretrain and Open-CD.

Importing this package puts MTP's backbones, data sets and optimizer rules into the registries of those toolboxes that
are installed. Configs do so by ``custom_imports = dict(imports=['mtp.adapters.mmrotate1'])``.
"""
from mtp.adapters.mmrotate1 import registration

registration.register()
