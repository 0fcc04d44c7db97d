"""Weights & Biases for mmcv 1.6, whose own hook ends a run by a call that later releases of the package lack."""
from typing import Any

from mmcv.runner import HOOKS, BaseRunner, WandbLoggerHook, master_only


@HOOKS.register_module(force=True)
class MTPWandb(WandbLoggerHook):
    """mmcv's; the log files stay in the run's folder. Project, name and folder are the environment's.

    Args:
        **kwargs: of mmcv's.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(log_artifact=False, **kwargs)

    @master_only
    def after_run(self, runner: BaseRunner) -> None:
        """End the run."""
        self.wandb.finish()
