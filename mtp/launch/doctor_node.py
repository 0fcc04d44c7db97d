"""What ``make doctor`` says of a compute node: one that :mod:`mtp.launch.node` has asked. Pure."""
import os
import re
from typing import TYPE_CHECKING, Callable, Iterator

from mtp.launch import choice, runtimes
from mtp.launch.cards import Card
from mtp.launch.findings import Finding, fail, good, shared_memory, warn
from mtp.launch.node import BUSY, WAIT_SECONDS, Node
from mtp.launch.runtimes.base import Runtime

if TYPE_CHECKING:
    from mtp.launch.doctor import Question


def findings(question: 'Question', card: Callable[['Question', Card, str], Iterator[Finding]]) -> Iterator[Finding]:
    """Findings of the node that was asked; none where jobs go to no cluster.

    Args:
        card: judges one card: takes the question, the card and where it is.
    """
    seen = question.facts.node
    if not seen:
        return
    if isinstance(seen, str):
        yield _unasked(seen)
        return
    where, wanted = ' on ' + seen.name, [runtimes.get(name) for name in dict.fromkeys(question.runtimes.values())]
    for each in wanted:
        yield from _node_image(question, seen, where, each)
    if not all(each.in_image for each in wanted) and not re.match(r'^3\.\d+\.\d+$', seen.python):
        yield fail('environment' + where, seen.python or 'its Python does not run',
                   'MTP_VENV_ROOT=folder that all nodes see, then make setup')
    if not any(each.own_memory for each in wanted):
        yield shared_memory('shared memory' + where, seen.shm)
    path = question.settings.work_root
    if seen.work != 'missing' or question.host.folders[path].exists or path != 'work_dirs':  # a first run makes it
        yield _work(path, seen.work, where)
    if choice.accelerator(question.settings, question.host) == 'nv':
        if not seen.cards:
            yield fail('card' + where, 'nvidia-smi shows none',
                       "sinfo -o '%P %G'; GRES=gpu:1, PARTITION=, or ACCEL=none")
        for found in seen.cards:
            yield from card(question, found, where)


def _unasked(said: str) -> Finding:
    if any(text in said for text in BUSY):
        return warn('compute node', f'none was free within {WAIT_SECONDS} s: {said}',
                    'sinfo, make doctor again')
    return fail('compute node', said, "sinfo -o '%P %a %G %D %t'; PARTITION=, GRES=")


def _work(path: str, state: str, where: str) -> Finding:
    what = 'MTP_WORK_ROOT' + where
    if state == 'writable':
        return good(what, path)
    said = '{} {}'.format(path, {'refused': 'cannot be written'}.get(state, 'is not there'))
    return fail(what, said, 'MTP_WORK_ROOT=folder that all nodes see and you may write')


def _node_image(question: 'Question', seen: Node, where: str, runtime: Runtime) -> Iterator[Finding]:
    kind = choice.variant(question.settings, question.host, question.envs[0])
    path = runtime.probe(question.settings, question.envs[0], kind)[0]
    if not path:
        return
    if runtime.node_program and seen.apptainer:
        yield good('apptainer' + where, seen.apptainer)
    elif runtime.node_program:
        yield fail('apptainer' + where, 'is not installed',
                   'MTP_SITE_SETUP=file with "module load apptainer", or what your site says')
    own = os.path.join(question.host.root, path)
    size = os.path.getsize(own) if os.path.isfile(own) else seen.image
    if seen.image < 0:
        yield fail('image' + where, f'there is no {path} that can be read',
                   f'{runtime.image_setting}=file on a folder that all nodes see')
    elif seen.image != size:
        yield fail('image' + where, f'{path} has {seen.image} bytes there and {size} here',
                   'one file on a folder that all nodes see, or copy it anew')
    else:
        yield good('image' + where, f'{path}, {size / 1e9:.1f} GB')
