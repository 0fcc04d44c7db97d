"""What ``make doctor`` wants to know of a machine beyond what planning does: asked here, judged in ``doctor``."""
import json
import os
import platform
import shutil
import subprocess
from typing import Dict, List, NamedTuple, Optional, Tuple

from mtp.errors import MTPError
from mtp.launch import containers, pythons, verbs
from mtp.launch import host as machine
from mtp.launch.jobs import Job

Card = NamedTuple('Card', [('name', str), ('driver', str), ('architecture', Optional[Tuple[int, int]])])

Facts = NamedTuple('Facts', [
    ('python', str),
    ('python38', Optional[Tuple[str, str]]),  # path and version
    ('python38_advice', str),
    ('compiler', str),
    ('cards', List[Card]),
    ('shm', int),  # bytes
    ('free', Dict[str, int]),  # folder -> bytes left on its disk
    ('datasets', List[str]),
    ('partitions', List[str]),
    ('selfchecks', Dict[str, Dict]),  # environment -> its report, or {'error': ...}; absent where it cannot run
])


def gather(settings, host, envs, catalogue):
    """The :class:`Facts` of this machine; runs the self-check inside each environment that can start."""
    try:
        python38, advice = pythons.find(os.environ), ''
    except MTPError as error:
        python38, advice = None, error.hint
    return Facts(
        python=platform.python_version(), python38=python38, python38_advice=advice,
        compiler=shutil.which(os.environ.get('CXX', 'c++').split()[0]) or '',
        cards=cards(host.tools.get('nvidia-smi')), shm=disk_free('/dev/shm'),
        free={path: disk_free(os.path.join(host.root, path)) for path in dict.fromkeys(
            (settings.work_root, settings.venv_root))},
        datasets=datasets(os.path.join(host.root, settings.data_root), catalogue),
        partitions=list(machine.partitions(shutil.which('sinfo'))),
        selfchecks={env: report for env, report in ((env, selfcheck(settings, host, env)) for env in envs) if report})


def cards(tool):
    """Cards that ``nvidia-smi`` shows. Drivers before 510 do not say the architecture: then it is None."""
    for fields in ('name,driver_version,compute_cap', 'name,driver_version'):
        lines = _lines([tool, '--query-gpu=' + fields, '--format=csv,noheader']) if tool else []
        if lines:
            return [_card([part.strip() for part in line.split(',')]) for line in lines]
    return []


def _card(parts):
    numbers = parts[2].split('.') if len(parts) > 2 else ()
    known = len(numbers) == 2 and all(number.isdigit() for number in numbers)
    return Card(parts[0], parts[1], tuple(map(int, numbers)) if known else None)


def disk_free(path):
    """Bytes left where ``path`` lies or would lie."""
    while not os.path.exists(path):
        path = os.path.dirname(os.path.abspath(path))
    return shutil.disk_usage(path).free


def datasets(root, catalogue):
    """Names of the catalogue whose training images are there."""
    def there(name):
        return any(os.path.exists(os.path.join(root, split.images)) for split in catalogue.get(name).splits.values())

    return [name for name in catalogue.names() if there(name)]


def selfcheck(settings, host, env):
    """The report of ``docker/selfcheck.py`` inside the runtime that would be taken; None when that cannot start."""
    quiet = settings._replace(launcher='local', nodes=1, gpus=1, args=())
    if containers.choose(quiet, host, env)[2]:
        return None
    job = Job(env, ('docker/selfcheck.py', '--env', env, '--json'), (), (), False, 1)
    item = verbs.job_plan(quiet._replace(env=''), host, env, lambda places: job).commands[0]
    try:
        done = subprocess.run(item.words, cwd=host.root, env=dict(os.environ, **item.environment), timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        said = done.stdout.decode('utf-8', 'replace')
        return json.loads(said[said.find('{\n'):])  # toolboxes print warnings of their own before it
    except ValueError:
        said = done.stderr.decode('utf-8', 'replace').strip().splitlines()
        return {'error': said[-1] if said else 'it ended with {}'.format(done.returncode)}
    except (OSError, subprocess.TimeoutExpired) as error:
        return {'error': str(error)}


def _lines(words):
    try:
        said = subprocess.check_output(words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=30)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return []
    return [line for line in said.decode('utf-8', 'replace').splitlines() if line.strip()]
