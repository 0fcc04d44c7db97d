"""The toolbox's runner, with weights read safely and written whole, and the same end however often it is killed."""
import logging
import os
from typing import Any, Dict, List, Optional, Union

import mmengine
import torch
from mmengine.config import Config
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import HistoryBuffer
from mmengine.model import is_model_wrapper, revert_sync_batchnorm
from mmengine.registry import HOOKS
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset

from mtp import files, paths, talk
from mtp.adapters import draws, guard, portable, sanity, validations
from mtp.adapters.weights import load_into
from mtp.checkpoints import Checkpoint, saved


class WholeFiles(LocalBackend):
    """What mmengine writes to the local disk, checkpoints among it, gets its name when it is complete."""

    def put(self, obj: bytes, filepath: files.PathLike) -> None:
        files.write_bytes(filepath, obj)

    def put_text(self, obj: str, filepath: files.PathLike, encoding: str = 'utf-8') -> None:
        files.write_bytes(filepath, obj.encode(encoding))


register_backend('local', WholeFiles, force=True, prefixes='')


class MTPRunner(Runner):
    """As :class:`mmengine.runner.Runner`, but checkpoints are read through :mod:`mtp.checkpoints` and written whole.

    Attributes:
        begun: :class:`mtp.checkpoints.Checkpoint` to go on from, or None; to be set before :meth:`train`.
    """

    begun: Optional[Checkpoint] = None
    _train_dataloader: Any  # of the toolbox: a config, then a loader

    def setup_env(self, env_cfg: Dict[str, Any]) -> None:
        """As the toolbox does, and say over what the processes talk."""
        joins = self._launcher != 'none' and not torch.distributed.is_initialized()
        log = talk.listen() if joins and torch.cuda.is_available() else ''
        super().setup_env(env_cfg)
        if joins and torch.distributed.is_initialized():
            talk.begun(torch.distributed, log)

    def build_logger(self, *args: Any, **kwargs: Any) -> logging.Logger:
        """The toolbox's logger; its files hold short paths."""
        return portable.log_files(super().build_logger(*args, **kwargs))

    def wrap_model(self, model_wrapper_cfg: Optional[Dict[str, Any]], model: nn.Module) -> nn.Module:
        """Prepare the model for one or several processes; without a GPU, norms that several GPUs share are plain
        ones.
        """
        if not torch.cuda.is_available():
            model = revert_sync_batchnorm(model)
        return super().wrap_model(model_wrapper_cfg, model)

    def build_train_loop(self, loop: Union[BaseLoop, Dict[str, Any]]) -> BaseLoop:
        """The loop over data that are the same whether or not the run was killed before."""
        if isinstance(self._train_dataloader, dict):
            loader = self._loader(self._train_dataloader)
            _check(loader.dataset, self.cfg)
            done = self.begun.meta['iter'] if self.begun else 0
            self._train_dataloader = draws.purely(loader, (self.seed, self.rank), done,
                                                  by_epoch='max_epochs' in self._train_loop)
        self.register_hook(Seeding(), 'HIGHEST')
        return draws.once(super().build_train_loop(loop))

    def _loader(self, settings: Dict[str, Any]) -> DataLoader:
        try:
            return self.build_dataloader(settings, seed=self.seed,
                                         diff_rank_seed=self._randomness_cfg.get('diff_rank_seed', False))
        except ValueError as error:
            if 'need at least one array to concatenate' in str(error):  # mmengine packs a list of no images
                dataset = settings['dataset']
                labels = os.path.join(dataset.get('data_root') or '', dataset.get('ann_file') or '')
                sanity.images(0, lambda position: '', labels)
            raise

    def load_or_resume(self) -> None:
        """Go on from :attr:`begun`; without it begin, from ``load_from`` where the config names one."""
        if self.begun:
            self.resume(self.begun.path)
        elif self._load_from and not self._has_loaded:
            self.load_checkpoint(self._load_from)

    def load_checkpoint(self, filename: str, map_location: str = 'cpu', **kwargs: Any) -> Optional[Dict[str, Any]]:
        """Weights of ``filename`` into the model; what fitted is logged. In a test everything has to fit.

        A run that goes on takes what was read when the checkpoint was chosen, with optimizer and counters.
        """
        model = self.model.module if is_model_wrapper(self.model) else self.model
        self._has_loaded = True
        if self.begun:
            return self._take_over(model, self.begun)
        report = load_into(model, filename, self._train_loop is None, bool(self.cfg.get('load_partial')))
        self.logger.info(f'{filename}: {report}')
        return None

    @property
    def collect_dir(self) -> str:
        """Folder, seen by all processes, through which a metric brings their results together, and which goes then."""
        return os.path.join(self.log_dir, 'collected')

    def build_evaluator(self, evaluator: Union[Evaluator, Dict[str, Any], List[Any]]) -> Evaluator:
        """The toolbox's evaluator; a metric that names no folder to collect in would take the working directory, which
        is read-only in a container."""
        built = super().build_evaluator(evaluator)
        for metric in built.metrics:
            self._collecting(metric)
        return built

    def add_metric(self, metric: BaseMetric) -> None:
        """Let the test be judged by one metric more, about the same data set."""
        metric.dataset_meta = getattr(self.test_dataloader.dataset, 'metainfo', None)  # as the loop gave the others
        self.test_evaluator.metrics.append(self._collecting(metric))

    def _collecting(self, metric: BaseMetric) -> BaseMetric:
        metric.collect_dir = metric.collect_dir or self.collect_dir
        return metric

    def _take_over(self, model: nn.Module, found: Checkpoint) -> Dict[str, Any]:
        self.begun = None
        # "config" would be run as a program to find out the number of GPUs
        meta = {name: value for name, value in found.meta.items() if name != 'config'}
        content = dict(found.rest, state_dict=found.state_dict, meta=meta, message_hub=_hub(found.rest))
        guard.own_paths(content['message_hub']['runtime_info'], os.path.dirname(os.path.abspath(found.path)))
        self.call_hook('after_load_checkpoint', checkpoint=content)
        saved.fill(model, content['state_dict'], found.path)
        self.logger.info(f'going on from {found.path}')
        return content


def _check(dataset: Dataset, cfg: Config) -> None:
    """What can be known to go wrong in the first step, or to be learned in vain."""
    sanity.network(cfg.model, (getattr(dataset, 'metainfo', None) or {}).get('classes'))
    if hasattr(dataset, 'get_data_info'):
        def path_of(position: int) -> str:
            path = dataset.get_data_info(position)['img_path']
            return path if isinstance(path, str) else path[0]  # of two times, the earlier one

        single = hasattr(dataset, 'img_suffix') or hasattr(dataset, 'tile_suffix')
        sanity.images(len(dataset), path_of, getattr(dataset, 'ann_file', '') or getattr(dataset, 'data_root', ''),
                      'train_dataloader.dataset.img_suffix' if single else '')


def _hub(rest: Dict[str, Any]) -> Dict[str, Dict[str, Any]]:
    """What a checkpoint holds of mmengine's message hub; curves as the class that our reader knows no more than a name
    of.
    """
    hub = rest.get('message_hub')
    parts = {name: dict((hub or {}).get(name) or {}) for name in ('log_scalars', 'runtime_info', 'resumed_keys')}
    curves = {name: _curve(value) for name, value in parts['log_scalars'].items()}
    parts['log_scalars'] = {name: value for name, value in curves.items() if value is not None}
    known = set(parts['log_scalars']) | set(parts['runtime_info'])
    parts['resumed_keys'] = {name: value for name, value in parts['resumed_keys'].items() if name in known}
    return parts


def _curve(value: Any) -> Optional[HistoryBuffer]:
    state = getattr(value, 'state', None)
    if isinstance(value, HistoryBuffer) or not isinstance(state, dict):
        return value if isinstance(value, HistoryBuffer) else None
    columns: List[Any] = [state.get(name) for name in ('_log_history', '_count_history')]
    try:
        return HistoryBuffer(*[[float(item) for item in column] for column in columns])
    except (TypeError, ValueError, AssertionError):
        return None


class Seeding(Hook):
    """Seeds the generators before each step, so that drop path and the sampling of boxes are functions of it."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        draws.seed('step', runner.seed, runner.rank, runner.iter)


@HOOKS.register_module('CheckpointHook', force=True)
class Keeping(CheckpointHook):
    """mmengine's, but the names of checkpoints in files are short: the run may be moved, or go on in an image."""

    def before_save_checkpoint(self, runner: Runner, checkpoint: Dict[str, Any]) -> None:
        hub = checkpoint['message_hub']
        hub['runtime_info'] = paths.short_tree(hub['runtime_info'])

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: Dict[str, Any]) -> None:
        super()._save_checkpoint_with_step(runner, step, meta)
        if runner.rank == 0:
            saved.point_to(self.last_ckpt)


class Validating(Hook):
    """Keeps what each validation has found in ``validation.json``, and makes up for one before which a run was killed.

    Attributes:
        last: what the last one has found, with its epoch and step; None without one.
    """

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.last: Optional[Dict[str, Any]] = None

    def before_train(self, runner: Runner) -> None:
        loop, validator = runner.train_loop, runner.val_loop
        if runner.rank == 0:
            records = validations.until(runner.work_dir, loop.iter)
            self.last = records[-1] if records else None
        if validator is None or not loop.iter:
            return
        count = loop.epoch if hasattr(loop, 'run_epoch') else loop.iter
        due = count >= loop.val_begin and count % loop.val_interval == 0
        known = [bool(self.last and self.last['step'] == loop.iter)]
        mmengine.dist.broadcast_object_list(known)
        if due and not known[0]:
            validator.run()

    def after_val_epoch(self, runner: Runner, metrics: Optional[Dict[str, float]] = None) -> None:
        """Remember the figures of a validation, by epoch and step."""
        self.last = validations.record(runner.epoch, runner.iter, metrics)
        if runner.rank == 0:
            validations.add(runner.work_dir, self.last)
