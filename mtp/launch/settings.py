"""Settings of the front door: what a user may put on the command line of ``make`` or into the environment.

One frozen value holds them all, checked once; planning reads nothing else of the environment.
"""
import difflib
import fnmatch
import os
import re
import shlex
from typing import Dict, NamedTuple, Tuple

from mtp.errors import MTPError

RUNTIMES = ('auto', 'apptainer', 'docker', 'native')
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
    ('docker_args', Tuple[str, ...]),
    ('apptainer_args', Tuple[str, ...]),
    ('dryrun', bool),
    ('json', bool),
    ('words', Dict[str, str]),  # the settings of single verbs, by name: BACKBONE, TASKS, DATA ...
    ('given', Dict[str, str]),  # settings that differ from the default, as variables: a printed plan repeats them
    ('environ', Dict[str, str]),  # the user's own variables that pass into a container, see PASSED
])

# Settings of single verbs and what they are when the user says nothing: the guide's ViT-L pretraining.
VERB_SETTINGS = {
    'BACKBONE': 'vit_l_rvsa', 'TASKS': 'ss is rd', 'DATASETS': 'sota sior fast', 'BATCH_SIZE': '3', 'WORKERS': '8',
    'END_ITER': '80000', 'IMAGE_SIZE': '448', 'INIT_BACKBONE': '', 'USE_CKPT': 'True', 'BACKGROUND': 'True',
    'BATCH_MODE': 'avg', 'INTERVAL': '5000', 'SAVE_PATH': '', 'DATA': '', 'OUT': '', 'IMAGES': '', 'FOLLOW': '',
    'SOURCE': '', 'PIP_INDEX_URL': '', 'PIP_CERT': '', 'REBUILD': '',  # building images
    'BUNDLE': '', 'PARTS': '', 'OFFLINE': '', 'PASSPORT': '', 'TOLERANCE': '',
}


def from_environ(environ):
    """The :class:`Settings` that the variables in ``environ`` (a mapping, usually ``os.environ``) ask for.

    Raises:
        MTPError: a value that no setting of that name can have; names the setting, the value and what is allowed.
    """
    given = {}

    def get(name, default=''):
        value = environ.get(name, '').strip()
        if value and value != default:
            given[name] = value
        return value or default

    found = _read(get, environ)
    return found._replace(given={name: value for name, value in given.items() if name != 'DRYRUN'})


def _read(get, environ):
    submit = _switch('SUBMIT', get('SUBMIT'))
    launcher = _choice('LAUNCHER', get('LAUNCHER', 'local'), LAUNCHERS)
    return Settings(
        runtime=_choice('RUNTIME', get('RUNTIME', 'auto'), RUNTIMES),
        launcher='slurm' if submit else launcher,
        nodes=_count('NODES', get('NODES', '1')),
        gpus=_count('GPUS', get('GPUS', '1')),
        gres=get('GRES'),
        partition=get('PARTITION'),
        accel=_choice('ACCEL', get('ACCEL', 'auto'), ACCELERATORS),
        env=_env_name(get('ENV')),
        variant=get('VARIANT'),
        config=get('CONFIG'),
        checkpoint=get('CHECKPOINT'),
        args=_words('ARGS', get('ARGS')),
        port=_port(get('PORT') or get('MASTER_PORT')),
        node_rank=get('NODE_RANK'),
        master_addr=get('MASTER_ADDR'),
        cpus_per_task=_count('CPUS_PER_TASK', get('CPUS_PER_TASK', '8')),
        image=get('IMAGE'),
        sif=get('SIF'),
        data_root=get('MTP_DATA_ROOT', 'data'),
        weights_root=get('MTP_WEIGHTS_ROOT', 'weights'),
        work_root=get('MTP_WORK_ROOT', 'work_dirs'),
        venv_root=get('MTP_VENV_ROOT', '.venv'),
        cache_root=get('MTP_CACHE_ROOT') or _default_cache(environ),
        job=get('JOB', DEFAULT_JOB),
        shm_size=get('SHM_SIZE', '16g'),
        code=_choice('CODE', get('CODE', 'checkout'), ('checkout', 'image')),
        srun_args=_words('SRUN_ARGS', get('SRUN_ARGS')),
        sbatch_args=_words('SBATCH_ARGS', get('SBATCH_ARGS')),
        submit=submit,
        time_limit=_duration('TIME_LIMIT', get('TIME_LIMIT')),
        site_setup=get('MTP_SITE_SETUP'),
        docker_args=_words('DOCKER_ARGS', get('DOCKER_ARGS')),
        apptainer_args=_words('APPTAINER_ARGS', get('APPTAINER_ARGS')),
        dryrun=_switch('DRYRUN', get('DRYRUN')),
        json=_switch('JSON', get('JSON')),
        words={name: get(name, default) for name, default in VERB_SETTINGS.items()},
        environ={name: value for name, value in environ.items() if passes(name)},
        given={},
    )


def passed_patterns():
    """Shell patterns of the variables that may enter a container, from ``passed_variables.txt``."""
    with open(PASSED, encoding='ascii') as stream:
        return stream.read().split()


def passes(name):
    """Whether the variable ``name`` may enter a container. Roots and names that the image itself says may not."""
    def fits(patterns):
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    return fits(passed_patterns()) and not fits(('MTP_*_ROOT', 'MTP_ENV', 'MTP_VARIANT'))


def choose(what, value, allowed):
    """``value`` when it is one of ``allowed``, else an :class:`MTPError` that lists them, nearest first."""
    if value in allowed:
        return value
    near = difflib.get_close_matches(value, list(allowed), n=3, cutoff=0.5)
    raise MTPError('{} is {!r}; it can be {}'.format(what, value, ', '.join(allowed)),
                   hint='did you mean {}?'.format(' or '.join(near)) if near else '')


def _choice(name, value, allowed):
    return choose(name, value.lower(), allowed)


def _count(name, value):
    if value.isdigit() and int(value) > 0:
        return int(value)
    raise MTPError('{} is {!r}; it has to be a whole number above zero'.format(name, value), hint='{}=1'.format(name))


def _port(value):
    if not value or (value.isdigit() and 0 < int(value) < 65536):
        return value
    raise MTPError('PORT is {!r}; it has to be a number from 1 to 65535'.format(value), hint='leave PORT away')


def _duration(name, value):
    # minutes, minutes:seconds, hours:minutes:seconds, each with days- in front or not (man sbatch)
    if not value or re.match(r'^(\d+-)?\d+(:\d+){0,2}$', value):
        return value
    raise MTPError('{} is {!r}; SLURM writes 90 (minutes), 12:00:00 or 3-00:00:00'.format(name, value))


def _switch(name, value):
    return choose(name, value.lower(), TRUE + FALSE) in TRUE


def _words(name, value):
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise MTPError('{} is {!r}: {}'.format(name, value, error), hint='close the quotation mark')


def _env_name(value):
    # Environment Modules and Lmod export ENV=/path/to/init, which a POSIX shell reads: that is no environment of ours.
    return '' if '/' in value or value.startswith('$') else value


def _default_cache(environ):
    base = environ.get('XDG_CACHE_HOME') or os.path.join(environ.get('HOME') or os.path.expanduser('~'), '.cache')
    return os.path.join(base, 'mtp')
