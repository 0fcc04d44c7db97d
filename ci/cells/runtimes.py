"""In what a cell runs, and the words that start it there.

Each of the five takes a :class:`Case`, a number of processes and the folders of its place, and gives a command. The
place (``places``) runs it: an ordinary user, a checkout that cannot be written, no network.
"""
import shlex
from typing import Callable, NamedTuple

from mtp.launch import ledger, uses

UID = 12345  # nobody on this machine
# What is typed by hand before the image, as README and pages have it but for the card; {0}: folders of the host.
DOCKER = (f'run --rm --user {UID}:{UID} --read-only --tmpfs /tmp --network none --shm-size 1g --cap-drop ALL '
          '--security-opt no-new-privileges')
APPTAINER = 'apptainer exec --containall'
BENEATH_SRUN = 'apptainer exec --contain --no-home'  # all of --containall would keep out what srun says
SRUN = 'srun --ntasks=2 --ntasks-per-node=2 --cpus-per-task=1 --kill-on-bad-exit=1'

Runtime = NamedTuple('Runtime', [
    ('name', str),
    ('where', str),  # 'here' or 'cluster'
    ('engine', bool),  # it takes docker
    ('words', Callable),  # words(case, processes, place) -> list
    ('seconds', int),  # what it takes beside the case
])


def made(case, processes, place, **settings):
    """``make VERB`` with the settings of the case, and those of the runtime that the verb uses."""
    settings.update(ACCEL='none', GPUS=str(processes), MTP_DATA_ROOT=place.folders['data'],
                    MTP_WEIGHTS_ROOT=place.folders['weights'], MTP_WORK_ROOT=place.folders['work'])
    given = {name: value for name, value in settings.items() if name in uses.of(case.verb)}
    given.update({name: value.format(**place.folders) for name, value in case.words.items()})
    return ['make', '--no-print-directory', case.verb] + ['{}={}'.format(*pair) for pair in sorted(given.items())]


def typed(case, processes, srun=False):
    """The line after ``python``, filled in for so many processes, under torchrun unless ``srun`` starts them."""
    alone = processes == 1
    launcher = 'none' if alone else 'slurm' if srun else 'pytorch'
    line = case.typed.format(launcher=launcher, distributed=not alone)
    return line if alone or srun else f'-m torch.distributed.run --nproc_per_node={processes} {line}'


def shell(line):
    """Words of ``python LINE``; several commands go through a shell."""
    return ['sh', '-c', 'python ' + line] if '&&' in line else ['python'] + shlex.split(line)


def native(case, processes, place):
    if not case.verb:
        return place.by_hand(case, typed(case, processes))
    return made(case, processes, place, RUNTIME='native', MTP_VENV_ROOT=place.venvs)


def docker(case, processes, place):
    return made(case, processes, place, RUNTIME='docker', VARIANT='cpu')


def docker_by_hand(case, processes, place):
    binds = []
    for kind, inside, mode in (('data', '/data', '' if case.changes else ':ro'), ('weights', '/weights', ':ro'),
                               ('work', '/work', '')):
        binds += ['--volume', f'{place.folders[kind]}:{inside}{mode}']
    return ['docker'] + DOCKER.split() + binds + [ledger.image_tag(case.env)] + shell(typed(case, processes))


def slurm(case, processes, place):
    return made(case, processes, place, RUNTIME='apptainer', LAUNCHER='slurm', CPUS_PER_TASK='1')


def apptainer_by_hand(case, processes, place):
    inside = '{data}:/data{},{weights}:/weights:ro,{work}:/work'.format('' if case.changes else ':ro', **place.folders)
    start = APPTAINER.split() if processes == 1 else SRUN.split() + BENEATH_SRUN.split()
    return start + ['--bind', inside, '--pwd', '/opt/mtp', place.sif(case.env)] + shell(
        typed(case, processes, srun=processes > 1))


RUNTIMES = (
    Runtime('native', 'here', False, native, 0),
    Runtime('docker', 'here', True, docker, 2),
    Runtime('docker by hand', 'here', True, docker_by_hand, 1),
    Runtime('apptainer + SLURM', 'cluster', True, slurm, 6),
    Runtime('apptainer by hand', 'cluster', True, apptainer_by_hand, 5),
)


def refusal(case, runtime, processes):
    """Why there is no such cell, '' where there is one."""
    by_hand = runtime.name.endswith('by hand')
    if processes > 1 and not case.pairs:
        return 'one process: ' + ('it takes as many as its passport says' if case.verb == 'replay' else
                                  'it has no processes to share its work among')
    if case.verb == 'reproduce' and runtime.name == 'native':
        return 'ci/rehearse runs it every time, in such a checkout'
    if case.only and runtime.name != case.only:
        return 'every other run of change detection goes here'
    if case.verb == 'check' and runtime.name != 'native':
        return 'an image holds no tests'
    if by_hand and not case.typed:
        return 'typed line by line: its parts are cells of their own'
    if not case.verb and not by_hand and runtime.name != 'native':
        return 'no verb of make'
    return ''
