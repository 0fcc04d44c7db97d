"""A config of one's own may lie anywhere: a base whose path begins with ``configs/`` is one of this checkout."""
import os
from typing import Optional, Tuple

from mmengine.config import Config

from mtp.adapters.command import ROOT

PREFIX = 'configs/'


def install() -> None:
    """Let ``_base_ = 'configs/_base_/...'`` be found, whatever folder the config lies in."""
    own = Config._get_cfg_path
    if getattr(own, 'of_this_checkout', False):
        return

    def path_of(cfg_path: str, filename: str) -> Tuple[str, Optional[str]]:
        if cfg_path.startswith(PREFIX):
            return os.path.join(ROOT, cfg_path), None
        return own(cfg_path, filename)

    setattr(path_of, 'of_this_checkout', True)
    Config._get_cfg_path = staticmethod(path_of)
