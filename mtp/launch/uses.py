"""Which verb uses which setting: the one table, and what is said of a setting that a verb does not use.

What stands behind the verb (``make samples GPUS=4``) is meant for it: there a setting without effect is refused. What
comes from the environment may be meant for other verbs: there it is a warning.
"""
import difflib
from typing import TYPE_CHECKING, Set, Tuple

from mtp.errors import MTPError
from mtp.launch import runtimes
from mtp.launch.tracking import tracker

if TYPE_CHECKING:
    from mtp.launch.settings import Settings

ROOTS = 'MTP_DATA_ROOT MTP_WEIGHTS_ROOT MTP_WORK_ROOT '
ALWAYS = 'DRYRUN ' + ROOTS  # roots are set for good, whatever verb comes
# In what a program runs, and how many of it on what.
WHERE = 'RUNTIME ENV VARIANT ACCEL CODE MTP_SITE_SETUP MTP_VENV_ROOT ' + ''.join(
    name + ' ' for each in runtimes.TABLE.values() for name in each.settings)
CLUSTER = 'LAUNCHER PARTITION JOB CPUS_PER_TASK SRUN_ARGS TIME_LIMIT '
ONE = WHERE + CLUSTER
BATCH = 'SUBMIT SBATCH_ARGS '
SPREAD = 'NODES GPUS GRES PORT MASTER_PORT NODE_RANK MASTER_ADDR '
PRETRAIN = ('BACKBONE TASKS DATASETS BATCH_SIZE WORKERS END_ITER IMAGE_SIZE INIT_BACKBONE USE_CKPT BACKGROUND '
            'BATCH_MODE '
            'INTERVAL SAVE_PATH ARGS ')
NATIVE = 'ENV VARIANT MTP_VENV_ROOT MTP_CACHE_ROOT '
OWN = 'DATA TASK BACKBONE INIT CLASSES LAYOUT LENIENT '
BUILD = 'ENV VARIANT ACCEL REBUILD SOURCE PIP_INDEX_URL PIP_CERT MTP_CACHE_ROOT '

USES = {
    'help': '', 'setup': NATIVE, 'check': NATIVE + 'ARGS ', 'bench': NATIVE + 'ARGS ', 'lock': 'ARGS ',
    'images': BUILD + 'RUNTIME IMAGE ARGS ' + ''.join(each.args + ' ' for each in runtimes.engines()),
    'sif': BUILD + 'RUNTIME SIF SQSH IMAGE APPTAINER_ARGS ARGS ',
    'bundle': BUILD + 'OUT PARTS IMAGE DOCKER_ARGS MTP_VENV_ROOT ', 'verify-bundle': 'BUNDLE OFFLINE MTP_CACHE_ROOT ',
    'doctor': ONE + SPREAD + 'JSON MTP_CACHE_ROOT ',
    'demo': WHERE.replace('ENV ', '').replace('ACCEL ', '') + 'DATA MTP_CACHE_ROOT ',
    'samples': ONE + 'OUT ARGS ', 'data': ONE + BATCH + 'ARGS ', 'fetch': ONE + 'ARCHIVES OUT ACCEPT_LICENCE '
                                                                                'MTP_MIRROR ',
    'weights': 'ENV CONFIG GET IMPORT MTP_VENV_ROOT MTP_MIRROR ',
    'pretrain': ONE + BATCH + SPREAD + PRETRAIN,
    'finetune': ONE + BATCH + SPREAD + 'CONFIG ARGS TRACK ' + OWN,
    'test': ONE + BATCH + SPREAD + 'CONFIG CHECKPOINT ARGS ',
    'predict': ONE + BATCH + SPREAD + 'CONFIG CHECKPOINT IMAGES BEFORE AFTER OUT ARGS ',
    'browse': ONE + 'RUN OUT ARGS ',
    'reproduce': ONE + BATCH + SPREAD + 'CONFIG DATA ACCUMULATE TRACK ARGS ',
    'replay': ONE + SPREAD + 'PASSPORT TOLERANCE OUT ',
    'status': 'JOB ', 'logs': 'JOB FOLLOW ', 'cluster-up': 'ARGS ', 'cluster-down': 'ARGS ',
}
# What a setting needs beside a verb: (what it goes with, whether that is so).
NEEDS = {
    name: (text, fits) for names, text, fits in (
        ('PARTITION TIME_LIMIT SRUN_ARGS CPUS_PER_TASK GRES JOB', 'LAUNCHER=slurm or SUBMIT=1',
         lambda settings: settings.launcher == 'slurm'),
        ('SBATCH_ARGS', 'SUBMIT=1', lambda settings: settings.submit),
        ('NODE_RANK', 'NODES above one and LAUNCHER=local',
         lambda settings: settings.nodes > 1 and settings.launcher == 'local'),
        ('TASK INIT CLASSES LAYOUT LENIENT', 'DATA', lambda settings: settings.words['DATA']),
        ('CODE', 'a container', lambda settings: any(each.in_image for each in runtimes.possible(settings))),
    ) for name in names.split()
}
NEEDS.update({name: (' or '.join('RUNTIME=' + each for each in runtimes.readers(name)),
                     lambda settings, name=name: any(name in each.settings for each in runtimes.possible(settings)))
              for each in runtimes.TABLE.values() for name in each.settings})
JUDGED = ('data', 'samples', 'pretrain', 'finetune', 'test', 'predict', 'browse', 'reproduce',
          'replay')  # by NEEDS as well
# Names that are everybody's: in an environment they need not be meant for us.
COMMON = ('IMAGE', 'IMAGES', 'BEFORE', 'AFTER', 'JOB', 'OUT', 'DATA', 'SOURCE', 'ENV', 'TASKS', 'WORKERS', 'ARGS',
          'CODE', 'TRACK', 'JSON', 'PORT', 'PIP_CERT', 'PIP_INDEX_URL')


def head(verb: str) -> str:
    """The entry of the table for ``verb``: ``data`` for ``data-dior``."""
    return verb if verb in USES else verb.partition('-')[0]


def of(verb: str) -> Set[str]:
    """Names of the settings that ``verb`` uses."""
    return set((USES[head(verb)] + ALWAYS).split())


def known() -> Set[str]:
    """Every name in the table."""
    return set(' '.join(list(USES.values()) + [ALWAYS]).split())


def check(verb: str, settings: 'Settings') -> Tuple[str, ...]:
    """What is said of settings that ``verb`` does not use, a line each; nothing of a verb that is none.

    Raises:
        MTPError: such a setting, or a misspelt one, was typed behind the verb; or TRACK names no tracker.
    """
    if head(verb) not in USES:
        return ()
    if 'TRACK' in of(verb):
        tracker(settings)
    found = []
    for name in sorted(set(settings.given) | set(settings.typed)):
        problem, hint = _problem(verb, name, settings)
        if problem and name in settings.typed:
            raise MTPError(problem, hint=hint)
        if problem and name in known() and not name.startswith('MTP_') and name not in COMMON:
            found.append(problem)
    return tuple(found)


def _problem(verb: str, name: str, settings: 'Settings') -> Tuple[str, str]:
    if name not in known():
        near = difflib.get_close_matches(name, sorted(known()), n=1, cutoff=0.8)
        return (f'there is no setting {name}', f'did you mean {near[0]}?') if near else ('', '')
    if name not in of(verb):
        users = sorted(each + '-DATASET' * (each in ('data', 'fetch')) for each in USES if name in USES[each].split())
        return ('{} is nothing that make {} uses; {}'.format(name, verb, 'it goes with ' + ', '.join(users)),
                f'make {verb} without {name}')
    text, fits = NEEDS.get(name, ('', None))
    if fits and head(verb) in JUDGED and name in settings.given and not fits(settings):
        return f'{name} goes with {text}; here it changes nothing', f'leave {name} away, or {text}'
    return '', ''
