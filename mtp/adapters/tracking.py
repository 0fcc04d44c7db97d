"""Curves of a fine-tuning beside the toolbox's own logs: TensorBoard always, and Weights & Biases or MLflow when asked
for.

Both generations of OpenMMLab bring the writers; here stands what they are told. Whatever is secret stays in the
environment: it is in no config, and so in no passport, log or checkpoint.
"""
import argparse
import importlib
import importlib.util
import os
import pathlib
import re
import sys
from typing import Any, Dict, Iterable, List, Mapping, Optional

from mtp import paths
from mtp.errors import MTPError
from mtp.launch.tracking import TRACKERS
from mtp.report import identity

PACKAGES = 'work_dirs/packages'  # below the work folder, which every container sees
# Addresses whose credentials would be printed by the tracker's own messages.
ADDRESSES = {'MLFLOW_TRACKING_URI': 'MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD',
             'WANDB_BASE_URL': 'WANDB_API_KEY'}


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--track`` to the options of a training."""
    parser.add_argument('--track', choices=TRACKERS, help='send the curves there too; both need their package')


def prepare(tracker: Optional[str], folder: str) -> None:
    """Find the package of ``tracker`` and settle, where the user has not, where its files go: below ``folder``.

    Args:
        tracker: one of TRACKERS, or None for TensorBoard alone.
        folder: the run's work folder.

    Raises:
        MTPError: the package is missing, or an address in the environment holds a password.
    """
    if not tracker:
        return
    for name, instead in ADDRESSES.items():
        if re.match(r'\w+://[^/]*@', os.environ.get(name, '')):
            raise MTPError(f'{name} holds a user or a password, which the tracker prints into logs',
                           hint='put the address alone there, and the rest into ' + instead)
    _require(tracker)
    folder, name = os.path.abspath(folder), os.path.basename(os.path.abspath(folder))
    for variable, value in {
            'wandb': dict(WANDB_MODE='offline', WANDB_PROJECT='mtp', WANDB_NAME=name, WANDB_DIR=folder),
            'mlflow': dict(MLFLOW_TRACKING_URI=pathlib.Path(folder, 'mlruns').as_uri(), MLFLOW_EXPERIMENT_NAME='mtp',
                           MLFLOW_RUN_NAME=name)}[tracker].items():
        os.environ.setdefault(variable, value)
    if tracker == 'wandb':
        os.makedirs(folder, exist_ok=True)  # the package takes a folder that is not there for one it may not write to


def _require(package: str) -> None:
    """Look for ``package`` in the environment, then behind everything in PACKAGES.

    No environment of the kit holds a tracker: a lock with it would move pins that numbers depend on.
    """
    place = os.path.abspath(paths.resolve(PACKAGES))
    if not _found(package) and place not in sys.path:
        sys.path.append(place)
        importlib.invalidate_caches()
    if not _found(package):
        raise MTPError(f'TRACK={package} needs the package {package}, which is in no environment of the kit',
                       hint='{} -m pip install --target {} {}'.format(
                           'python{}.{}'.format(*sys.version_info) if identity.inside() else os.path.relpath(
                               sys.executable), paths.shown(paths.resolve(PACKAGES)), package))


def _found(package: str) -> bool:
    spec = importlib.util.find_spec(package)
    return bool(spec and spec.origin)  # a folder of that name, as both leave behind, is a package without origin


def add_backends(cfg: Dict[str, Any], tracker: Optional[str]) -> None:
    """Add the writers to the visualizer of an OpenMMLab 2 config.

    Args:
        cfg: the resolved config as a dict; changed in place.
        tracker: one of TRACKERS, or None.
    """
    visualizer = cfg.get('visualizer') or dict(type='Visualizer')
    backends = list(visualizer.get('vis_backends') or [dict(type='LocalVisBackend')])
    wanted = ['TensorboardVisBackend'] + {'wandb': ['MTPWandb'], 'mlflow': ['MTPMLflow']}.get(tracker or '', [])
    backends += _missing(backends, wanted)
    cfg['visualizer'] = dict(visualizer, vis_backends=backends)


def add_hooks(cfg: Dict[str, Any], tracker: Optional[str], folder: str) -> None:
    """Add the writers to the loggers of a config for mmcv 1.

    Args:
        cfg: the resolved config as a dict; changed in place.
        tracker: one of TRACKERS, or None.
        folder: the run's work folder; TensorBoard's files go to ``tensorboard`` in it.
    """
    log = cfg.get('log_config') or {}
    hooks = list(log.get('hooks') or [])
    wanted = ['TensorboardLoggerHook'] + {'wandb': ['MTPWandb'], 'mlflow': ['MlflowLoggerHook']}.get(tracker or '', [])
    own: Dict[str, Dict[str, Any]] = {
        'TensorboardLoggerHook': dict(log_dir=os.path.join(folder, 'tensorboard')),
        'MlflowLoggerHook': dict(log_model=False)}  # a checkpoint has gigabytes, and is in the folder
    by_epoch = (cfg.get('runner') or {}).get('type') != 'IterBasedRunner'
    hooks += [dict(own.get(item['type'], {}), by_epoch=by_epoch, **item) for item in _missing(hooks, wanted)]
    cfg['log_config'] = dict(log, hooks=hooks)


def _missing(there: Iterable[Mapping[str, Any]], wanted: Iterable[str]) -> List[Dict[str, str]]:
    known = {item['type'].split('.')[-1] for item in there}
    return [dict(type=name) for name in wanted if name not in known]
