"""Settings of the front door: what a user may put on the command line of ``make`` or into the environment.

One frozen value holds them all, checked once; planning reads nothing else of the environment.
"""
import fnmatch
import os
import re
import shlex
from typing import Callable, Dict, Iterable, List, Mapping, NamedTuple, Sequence, Tuple

from mtp import numbers
from mtp.errors import MTPError
from mtp.launch import runtimes
from mtp.launch.allowed import choose

RUNTIMES = ('auto',) + tuple(runtimes.TABLE)
LAUNCHERS = ('local', 'slurm')
ACCELERATORS = ('auto', 'nv', 'rocm', 'none')
DEFAULT_JOB = 'mtp'  # the guide's
TRUE, FALSE = ('1', 'true', 'yes', 'on'), ('', '0', 'false', 'no', 'off')

# Variables that may enter a container, as shell patterns; one to a line, because task.sh reads the same file.
PASSED = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'passed_variables.txt')

Settings = NamedTuple('Settings', [
    ('runtime', str),
    ('launcher', str),
    ('nodes', int),
    ('gpus', int),  # processes on each node; with ACCEL=none they run on the CPU
    ('gres', str),
    ('partition', str),
    ('accel', str),
    ('env', str),
    ('variant', str),
    ('config', str),
    ('checkpoint', str),
    ('args', Tuple[str, ...]),
    ('port', str),
    ('node_rank', str),
    ('master_addr', str),
    ('cpus_per_task', int),
    ('image', str),
    ('sif', str),
    ('sqsh', str),
    ('data_root', str),
    ('weights_root', str),
    ('work_root', str),
    ('venv_root', str),
    ('cache_root', str),
    ('job', str),
    ('shm_size', str),
    ('code', str),  # 'checkout' mounts this checkout over the image's copy, 'image' leaves that one in place
    ('srun_args', Tuple[str, ...]),
    ('sbatch_args', Tuple[str, ...]),
    ('submit', bool),  # hand the job to sbatch in place of waiting for it
    ('time_limit', str),  # of the job, as SLURM writes it; '' leaves it to the partition
    ('site_setup', str),  # file with shell commands for each node, e.g. module load apptainer
    ('further', Dict[str, Tuple[str, ...]]),  # DOCKER_ARGS and its like -> words
    ('dryrun', bool),
    ('json', bool),
    ('words', Dict[str, str]),  # the settings of single verbs, by name: BACKBONE, TASKS, DATA ...
    ('given', Dict[str, str]),  # settings that differ from the default, as variables: a printed plan repeats them
    ('environ', Dict[str, str]),  # the user's own variables that pass into a container, see PASSED
    ('typed', Tuple[str, ...]),  # names of what stands behind the verb, settings of ours or not
    ('python_path', str),  # the user's PYTHONPATH
])
Settings.__new__.__defaults__ = ((), '')  # the class syntax with defaults needs Python 3.6.1

# Settings of single verbs and what they are when the user says nothing: the guide's ViT-L pretraining.
VERB_SETTINGS = {
    'BACKBONE': 'vit_l_rvsa', 'TASKS': 'ss is rd', 'DATASETS': 'sota sior fast', 'BATCH_SIZE': '3', 'WORKERS': '8',
    'END_ITER': '80000', 'IMAGE_SIZE': '448', 'INIT_BACKBONE': '', 'USE_CKPT': 'True', 'BACKGROUND': 'True',
    'BATCH_MODE': 'avg', 'INTERVAL': '5000', 'SAVE_PATH': '', 'DATA': '', 'OUT': '', 'FOLLOW': '',
    'IMAGES': '', 'BEFORE': '', 'AFTER': '',  # predict
    'RUN': '',  # browse
    'SOURCE': '', 'PIP_INDEX_URL': '', 'PIP_CERT': '', 'REBUILD': '',  # building images
    'GET': '', 'IMPORT': '',  # weights
    'ARCHIVES': '', 'ACCEPT_LICENCE': '', 'MTP_MIRROR': '',  # fetching data and weights
    'TASK': '', 'INIT': '', 'CLASSES': '', 'LAYOUT': '', 'LENIENT': '',  # fine-tuning on DATA of one's own
    'TRACK': '',  # fine-tuning
    'ACCUMULATE': 'auto',  # reproduce: the published batch on fewer processes
    'BUNDLE': '', 'PARTS': '', 'OFFLINE': '', 'PASSPORT': '', 'TOLERANCE': '',
}
# Those that are a file or a folder: a blank at an end is part of the name there, or a slip.
PATHS = ('MTP_DATA_ROOT', 'MTP_WEIGHTS_ROOT', 'MTP_WORK_ROOT', 'MTP_VENV_ROOT', 'MTP_CACHE_ROOT', 'MTP_SITE_SETUP',
         'SIF', 'SQSH', 'CHECKPOINT', 'SAVE_PATH', 'DATA', 'OUT', 'RUN', 'ARCHIVES', 'IMPORT', 'BUNDLE', 'PASSPORT',
         'PIP_CERT')
# Those that are one file, or several as a shell splits words.
WORDS_OR_FILE = ('CONFIG', 'IMAGES', 'BEFORE', 'AFTER')
# Those that are numbers; checked here, so that no job waits in a queue to be told.
NUMBERS = {'BATCH_SIZE': numbers.count, 'WORKERS': numbers.not_negative, 'END_ITER': numbers.count,
           'IMAGE_SIZE': numbers.count, 'INTERVAL': numbers.count, 'TOLERANCE': numbers.length}
MOST_NODES, MOST_PROCESSES = numbers.Whole(1, 1 << 16), numbers.Whole(1, 1 << 10)


def from_environ(environ: Mapping[str, str]) -> Settings:
    """The :class:`Settings` that the variables in ``environ`` (a mapping, usually ``os.environ``) ask for.

    Raises:
        MTPError: a value that no setting of that name can have; names the setting, the value and what is allowed.
    """
    given = {}

    def get(name: str, default: str = '') -> str:
        value = _trimmed(name, environ.get(name, ''))
        if value and value != default:
            given[name] = value
        return value or default

    found = _read(get, environ)
    return found._replace(given={name: value for name, value in given.items() if name != 'DRYRUN'})


def _read(get: Callable[..., str], environ: Mapping[str, str]) -> Settings:
    submit = _switch('SUBMIT', get('SUBMIT'))
    launcher = _choice('LAUNCHER', get('LAUNCHER', 'local'), LAUNCHERS)
    return Settings(
        runtime=_choice('RUNTIME', get('RUNTIME', 'auto'), RUNTIMES),
        launcher='slurm' if submit else launcher,
        nodes=numbers.of_setting('NODES', get('NODES', '1'), MOST_NODES),
        gpus=numbers.of_setting('GPUS', get('GPUS', '1'), MOST_PROCESSES),
        gres=_plain('GRES', get('GRES'), 'gpu:4'),
        partition=_plain('PARTITION', get('PARTITION'), 'gpu'),
        accel=_choice('ACCEL', get('ACCEL', 'auto'), ACCELERATORS),
        env=_env_name(get('ENV')),
        variant=_plain('VARIANT', get('VARIANT'), 'cpu'),
        config=get('CONFIG'),
        checkpoint=get('CHECKPOINT'),
        args=split('ARGS', get('ARGS')),
        port=_port(get('PORT') or get('MASTER_PORT')),
        node_rank=get('NODE_RANK'),
        master_addr=_plain('MASTER_ADDR', get('MASTER_ADDR'), 'node1 or 10.0.0.1'),
        cpus_per_task=numbers.of_setting('CPUS_PER_TASK', get('CPUS_PER_TASK', '8'), MOST_PROCESSES),
        image=_plain('IMAGE', get('IMAGE'), 'registry/name:tag'),
        sif=get('SIF'),
        sqsh=_plain('SQSH', get('SQSH'), 'apptainer/mmrotate1-cpu.sqsh'),
        data_root=get('MTP_DATA_ROOT', 'data'),
        weights_root=get('MTP_WEIGHTS_ROOT', 'weights'),
        work_root=get('MTP_WORK_ROOT', 'work_dirs'),
        venv_root=get('MTP_VENV_ROOT', '.venv'),
        cache_root=get('MTP_CACHE_ROOT') or _default_cache(environ),
        job=_plain('JOB', get('JOB', DEFAULT_JOB), 'night-run', '/'),
        shm_size=_plain('SHM_SIZE', get('SHM_SIZE', '16g'), '32g'),
        code=_choice('CODE', get('CODE', 'checkout'), ('checkout', 'image')),
        srun_args=split('SRUN_ARGS', get('SRUN_ARGS')),
        sbatch_args=split('SBATCH_ARGS', get('SBATCH_ARGS')),
        submit=submit,
        time_limit=_duration('TIME_LIMIT', get('TIME_LIMIT')),
        site_setup=get('MTP_SITE_SETUP'),
        further={each.args: split(each.args, get(each.args)) for each in runtimes.TABLE.values() if each.args},
        dryrun=_switch('DRYRUN', get('DRYRUN')),
        json=_switch('JSON', get('JSON')),
        words={name: _number(name, get(name, default)) for name, default in VERB_SETTINGS.items()},
        environ={name: value for name, value in environ.items() if passes(name)},
        given={}, python_path=environ.get('PYTHONPATH', '') or environ.get('MTP_HOOKS_PATH', ''),
    )


def passed_patterns() -> List[str]:
    """Shell patterns of the variables that may enter a container, from ``passed_variables.txt``."""
    with open(PASSED, encoding='ascii') as stream:
        return stream.read().split()


def passes(name: str) -> bool:
    """Whether the variable ``name`` may enter a container. Roots and names that the image itself says may not."""
    def fits(patterns: Iterable[str]) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    return fits(passed_patterns()) and not fits(('MTP_*_ROOT', 'MTP_ENV', 'MTP_VARIANT'))


def _trimmed(name: str, value: str) -> str:
    """``value`` without blanks at its ends, where they mean nothing."""
    bare = value.strip()
    if name in WORDS_OR_FILE:
        return value if bare else ''
    if name in PATHS and bare != value:
        raise MTPError(f'{name} is {value!r}: a blank at an end of it, which names another file or folder',
                       hint=f'{name}={shlex.quote(bare)}' if bare else f'leave {name} away')
    return bare


def _choice(name: str, value: str, allowed: Sequence[str]) -> str:
    return choose(name, value.lower(), allowed)


def _number(name: str, value: str) -> str:
    if value and name in NUMBERS:
        numbers.of_setting(name, value, NUMBERS[name], f'leave {name} away')
    return value


def _port(value: str) -> str:
    if value:
        numbers.of_setting('PORT', value, numbers.port, 'leave PORT away')
    return value


def _duration(name: str, value: str) -> str:
    # minutes, minutes:seconds, hours:minutes:seconds, each with days- in front or not (man sbatch)
    if not value or re.fullmatch(r'([0-9]+-)?[0-9]+(:[0-9]+){0,2}', value):
        return value
    raise MTPError(f'{name} is {value!r}; SLURM writes 90 (minutes), 12:00:00 or 3-00:00:00')


def _plain(name: str, value: str, example: str, refused: str = '') -> str:
    """``value``, which goes into the head of a batch script, a file name or an engine's option.

    A blank there begins another option, and a line end another line of the script.
    """
    strange = ''.join(sorted(set(re.findall(r'[^\w.:,@=+()/-]', value) + [c for c in value if c in refused])))
    if strange or value.startswith('-'):
        raise MTPError('{} is {!r}; it cannot hold {}'.format(
            name, value, ' '.join(map(repr, strange)) if strange else 'a minus at its beginning'),
            hint=f'{name}={example}')
    return value


def _switch(name: str, value: str) -> bool:
    return choose(name, value.lower(), TRUE + FALSE) in TRUE


def split(name: str, value: str) -> Tuple[str, ...]:
    """Words of the setting ``name``, as a shell splits them."""
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise MTPError(f'{name} is {value!r}: {error}', hint='close the quotation mark')


def _env_name(value: str) -> str:
    # Environment Modules and Lmod export ENV=/path/to/init, which a POSIX shell reads: that is no environment of ours.
    return '' if '/' in value or value.startswith('$') else value


def _default_cache(environ: Mapping[str, str]) -> str:
    base = environ.get('XDG_CACHE_HOME') or os.path.join(environ.get('HOME') or os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'mtp')
