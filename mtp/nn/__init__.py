"""Networks in plain PyTorch: the RVSA ViT, InternImage and DCNv3, with the published state-dict keys."""
from mtp.nn.cpu import wake_mkl
from mtp.nn.factory import BACKBONES, build
from mtp.nn.internimage import InternImage
from mtp.nn.rvsa import RVSA

wake_mkl()

__all__ = ['BACKBONES', 'InternImage', 'RVSA', 'build']
