"""The toolbox's runner, with weights read safely and written whole."""
import os

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.runner import Runner

from mtp.adapters.passports import figures
from mtp.adapters.weights import load_into


class MTPRunner(Runner):
    """As :class:`mmengine.runner.Runner`, but ``load_from`` goes through :mod:`mtp.checkpoints`, and a checkpoint gets
    its name only when it is complete."""

    def wrap_model(self, model_wrapper_cfg, model):
        """Prepare the model for one or several processes; without a GPU, norms that several GPUs share are plain ones."""
        if not torch.cuda.is_available():
            model = revert_sync_batchnorm(model)
        return super().wrap_model(model_wrapper_cfg, model)

    def load_checkpoint(self, filename, map_location='cpu', **kwargs):
        """Weights of ``filename`` into the model; what fitted is logged. In a test everything has to fit.

        A run that is resumed reads its own file, with optimizer and counters, in the toolbox's way.
        """
        if self._resume:
            return super().load_checkpoint(filename, map_location=map_location, **kwargs)
        model = self.model.module if is_model_wrapper(self.model) else self.model
        report = load_into(model, filename, must_fit=self._train_loop is None)
        self.logger.info('{}: {}'.format(filename, report))
        self._has_loaded = True

    def save_checkpoint(self, out_dir, filename, *args, **kwargs):
        """Write under a temporary name, then rename."""
        temporary = '.{}.tmp'.format(filename)
        super().save_checkpoint(out_dir, temporary, *args, **kwargs)
        if self.rank == 0:
            os.replace(os.path.join(out_dir, temporary), os.path.join(out_dir, filename))


class LastFigures(Hook):
    """Keeps what the last validation has found."""

    metrics = None

    def after_val_epoch(self, runner, metrics=None):
        """Remember the figures of a validation, by epoch and step."""
        self.metrics = dict(epoch=runner.epoch, step=runner.iter, **figures(metrics))
