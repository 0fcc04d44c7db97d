"""Weights & Biases and MLflow for mmengine 0.8: its back ends, with what they are told taken from the environment."""
import os
from typing import Any

from mmengine.config import Config
from mmengine.registry import VISBACKENDS
from mmengine.visualization import MLflowVisBackend, WandbVisBackend
from mmengine.visualization.vis_backend import force_init_env

from mtp import paths


@VISBACKENDS.register_module(force=True)
class MTPWandb(WandbVisBackend):
    """mmengine's; it ends a run as every release of the package can, and sends no source: the passport names it."""

    @force_init_env
    def add_config(self, config: Config, **kwargs: Any) -> None:
        """The resolved config, with short paths; one that goes on may have changed."""
        self._wandb.config.update(paths.short_tree(config._cfg_dict.to_dict()), allow_val_change=True)

    def close(self) -> None:
        """End the run."""
        if hasattr(self, '_wandb'):
            self._wandb.finish()


@VISBACKENDS.register_module(force=True)
class MTPMLflow(MLflowVisBackend):
    """mmengine's; it takes the address from the config alone, which every log shows.

    Args:
        save_dir: of the visualizer.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir, exp_name=os.environ.get('MLFLOW_EXPERIMENT_NAME'),
                         run_name=os.environ.get('MLFLOW_RUN_NAME'),
                         tracking_uri=os.environ.get('MLFLOW_TRACKING_URI'),
                         tracked_config_keys={})  # parameters have a limit of length; the whole config is a file there
