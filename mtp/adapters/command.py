"""What the command lines of both environments have in common: options, ranks, and the checks made before any work."""
import argparse
import contextlib
import difflib
import os
from typing import Any, Dict, Iterable, Iterator, Mapping, MutableMapping, Optional, Tuple, Type, Union

import mtp
from mtp import devices, locks, numbers, paths
from mtp.adapters import accumulation, recipes, rehearsal, words
from mtp.adapters.kinds import Config
from mtp.checkpoints import Checkpoint, saved
from mtp.distributed import rendezvous
from mtp.errors import MTPError
from mtp.launch import configs

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(mtp.__file__)))
LAUNCHERS = ('none', 'pytorch', 'slurm', 'mpi')
# Open MPI and the PMI of MPICH and Intel MPI tell a process who it is under these names.
MPI = {'RANK': ('OMPI_COMM_WORLD_RANK', 'PMI_RANK'), 'WORLD_SIZE': ('OMPI_COMM_WORLD_SIZE', 'PMI_SIZE'),
       'LOCAL_RANK': ('OMPI_COMM_WORLD_LOCAL_RANK', 'MPI_LOCALRANKID')}


def parser(description: str, dict_action: Type[argparse.Action]) -> argparse.ArgumentParser:
    """Parser with the options every command of the published guide takes.

    Args:
        description: first line of the help.
        dict_action: the toolbox's argparse action for ``key=value`` words.
    """
    made = argparse.ArgumentParser(description=description)
    made.add_argument('config', help='configs/mtp/<dataset>/<name>.py, configs/<env>/<dataset>/<name>.py or a name')
    made.add_argument('--work-dir', help='where logs and checkpoints go (work_dirs/<name of the config>)')
    made.add_argument('--cfg-options', nargs='+', action=words.action(dict_action), default={}, metavar='KEY=VALUE',
                      help='settings that take the place of those in the config; may be given several times')
    made.add_argument('--rehearse', action='store_true',
                      help='the same in small: a reduced network, few images, few steps; no published number comes out')
    made.add_argument('--launcher', choices=LAUNCHERS, default='none', help='who started the processes')
    devices.add_option(made)
    made.add_argument('--local_rank', '--local-rank', type=numbers.not_negative,
                      help=argparse.SUPPRESS)  # torch.distributed.launch
    return made


def settle(cfg: Config, args: argparse.Namespace, path: str) -> None:
    """Put the options of the command line into the config of the file ``path``, reduction and recipe first.

    Raises:
        MTPError: an option is a misspelt one, or there is no such recipe.
    """
    said = []
    _spelt_right(cfg._cfg_dict, args.cfg_options)
    if args.rehearse:
        rehearsal.reduce(cfg._cfg_dict)
        said.append('rehearsal: {} with a reduced network on a few images; its numbers say nothing about the '
                    'paper'.format(os.path.basename(path)))
    said += recipes.apply(cfg._cfg_dict, args.cfg_options.get('recipe') or cfg.get('recipe', 'paper'))
    cfg.merge_from_dict(args.cfg_options)
    for line in said if os.environ.get('RANK', '0') == '0' else ():
        print(line, flush=True)


def add_accumulate(parser: argparse.ArgumentParser) -> None:
    """Add the option with which fewer processes train with the published batch."""
    parser.add_argument('--accumulate', default='1', metavar='STEPS',
                        help='sum the gradients of so many steps; auto: as many as give the published batch (1)')


def accumulate(cfg: Dict[str, Any], asked: str) -> None:
    """Say how many images an update of the weights sees, and sum gradients over steps when that was asked for.

    Args:
        cfg: resolved config (a dict, of either generation); changed in place, ``images_per_update`` is added.
        asked: '1', another number of steps, or 'auto' for the published batch.
    """
    batch = accumulation.apply(cfg, int(os.environ.get('WORLD_SIZE', '1')), asked)
    cfg['images_per_update'] = dict(found=batch.found, published=batch.wanted)
    if os.environ.get('RANK', '0') == '0' and (asked != '1' or batch.wanted not in (None, batch.found)):
        print(batch, flush=True)


def _spelt_right(cfg: Dict[str, Any], options: Iterable[str]) -> None:
    """Refuse an option that the config does not have but for a letter or two: the toolboxes add it without a word."""
    for option in options:
        node: Any = cfg
        for part in option.split('.'):
            if not isinstance(node, dict) and not (isinstance(node, (list, tuple)) and numbers.digits(part)):
                break
            if isinstance(node, dict) and part not in node:
                meant = difflib.get_close_matches(part, map(str, node), 1, 0.9)
                if meant:
                    raise MTPError(f'--cfg-options {option}: the config has no {part!r}', hint=(
                        f'did you mean {meant[0]!r}? A setting that is new stands in a config of your own'))
                break
            node = node[part] if isinstance(node, dict) else node[int(part)] if int(part) < len(node) else None


def ranks(args: argparse.Namespace, environ: MutableMapping[str, str] = os.environ) -> Tuple[int, int, int]:
    """Settle who this process is, for every launcher, and put it into ``environ``.

    The published DOTA-v2.0 command starts several processes without ``--launcher``; each would train alone. So what the
    environment says decides, not the option.

    Returns:
        tuple: rank, number of processes, rank on this machine.
    """
    if args.launcher == 'mpi':
        for name, sources in MPI.items():
            for source in sources:
                if source in environ:
                    environ.setdefault(name, environ[source])
    if args.local_rank is not None:
        environ.setdefault('LOCAL_RANK', str(args.local_rank))
    environ.update(rendezvous.join(environ, by_hand=environ is os.environ))
    if args.launcher not in ('none', 'slurm') and environ['WORLD_SIZE'] == '1' and 'TORCHELASTIC_RUN_ID' not in environ:
        raise MTPError(f'--launcher {args.launcher} was given, but no launcher has started this process',
                       hint='leave --launcher away, or start it with torchrun --nproc_per_node=N tools/train.py '
                       'CONFIG')
    devices.require(getattr(args, 'device', 'auto'), int(environ['LOCAL_RANK']))
    return int(environ['RANK']), int(environ['WORLD_SIZE']), int(environ['LOCAL_RANK'])


def locate(name: str, env: str, purpose: str) -> str:
    """Path of the config ``name``; one that belongs to another environment than ``env`` is refused."""
    if os.path.isfile(paths.resolve(name)):
        name = os.path.abspath(paths.resolve(name))
    found = configs.find(name, env=env, purpose=purpose, root=ROOT)[1]
    return os.path.join(ROOT, found)


def work_dir(args: argparse.Namespace, cfg: Config, config_path: str) -> str:
    """Folder of the run: the option, else the config's ``work_dir``, else ``work_dirs/<stem of the config>``."""
    stem = os.path.splitext(os.path.basename(config_path))[0]
    return paths.resolve(args.work_dir or cfg.get('work_dir') or 'work_dirs/' + stem)


def fresh_or_resumed(folder: str, resume: Union[None, bool, str]) -> None:
    """Refuse to train over the checkpoints of another run.

    Raises:
        MTPError: ``folder`` is a file, or holds checkpoints and ``resume`` is not wanted.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise MTPError(f'{folder} is a file; a folder is expected', hint='choose another --work-dir')
    found = sorted(name for name in os.listdir(folder) if name.endswith('.pth')) if os.path.isdir(folder) else []
    if found and not resume:
        raise MTPError('{} holds checkpoints of an earlier run ({})'.format(folder, ', '.join(found[-3:])),
                       hint='add --resume to go on from the newest, or choose another --work-dir')


def continued(folder: str, named: Optional[str] = None) -> Optional[Checkpoint]:
    """:func:`mtp.checkpoints.saved.continued`; the first process says what was passed over, and what is gone on
    from.
    """
    found = saved.continued(folder, paths.resolve(named) if named else None, say)
    say(f'going on from {found.path}' if found
        else f'there is no whole checkpoint in {folder}: the training begins')
    return found


def say(text: str) -> None:
    """Print ``text`` in the first process."""
    if os.environ.get('RANK', '0') == '0':
        print(text, flush=True)


@contextlib.contextmanager
def held(folder: str, resume: Union[None, bool, str]) -> Iterator[None]:
    """Hold the folder of a training; :func:`fresh_or_resumed` is asked meanwhile."""
    leads = os.environ.get('RANK', '0') == '0'
    with locks.hold(folder, 'finetune', leads):
        if leads:  # the others may come when the first has begun to write
            fresh_or_resumed(folder, resume)
        yield


def require_file(path: str, what: str, hint: str = '') -> str:
    """Resolved ``path``; an MTPError naming ``what`` when no such file exists."""
    path = paths.resolve(path)
    if not os.path.isfile(path):
        raise MTPError(f'there is no {what} {path}', hint=hint)
    return path


def require_folder(path: str, what: str) -> None:
    """An MTPError naming ``what`` when the folder ``path`` does not exist."""
    if not os.path.isdir(path):
        raise MTPError(f'there is no {what} {path}',
                       hint='put the data there, or let MTP_DATA_ROOT name the folder that holds it (now {!r})'.format(
                           paths.root('data')))


def pretrained_exists(model: Mapping[str, Any]) -> None:
    """Check the file behind ``model.backbone.pretrained`` of a config, where there is one."""
    path = (model.get('backbone') or {}).get('pretrained')
    if path:
        require_file(path, 'pretrained backbone', hint='put it below {!r} (MTP_WEIGHTS_ROOT), or train without it: '
                     '--cfg-options model.backbone.pretrained=None'.format(paths.root('weights')))
