"""``make doctor``: judges a machine for the chosen runtime. Facts are gathered first, then judged by pure functions."""
import json
import os
import sys
from typing import Dict, NamedTuple, Tuple

from mtp.data import catalogue
from mtp.errors import FAILED, OK, run_main
from mtp.launch import containers, facts, host, ledger
from mtp.launch.settings import from_environ

PASS, WARN, FAIL = 'pass', 'warn', 'fail'
SHM_BYTES = 2 << 30  # the workers of one training hand their batches over in shared memory
WORK_BYTES = 20 << 30  # checkpoints of one ViT-L training with optimizer states
# Oldest driver for a CUDA release (NVIDIA's table of CUDA 11.x minor version compatibility, Linux x86_64).
DRIVERS = {'11.3': (450, 80)}
# Newest architecture that the torch of the ledger has code for: torch 1.10 was released before Ada and Hopper.
NEWEST_ARCHITECTURE = (8, 6)
AGAIN = {'native': 'make setup', 'docker': 'make images', 'apptainer': 'make sif'}

Finding = NamedTuple('Finding', [('status', str), ('what', str), ('says', str), ('next', str)])
Question = NamedTuple('Question', [
    ('settings', object), ('host', object), ('facts', object),
    ('envs', Tuple[str, ...]), ('runtimes', Dict[str, str]),  # environment -> runtime that would be taken
])


def good(what, says):
    """A finding that needs nothing."""
    return Finding(PASS, what, says, '')


def warn(what, says, following=''):
    """A finding that stops nothing."""
    return Finding(WARN, what, says, following)


def fail(what, says, following):
    """A finding that stops the work, and the next command."""
    return Finding(FAIL, what, says, following)


def python(question):
    """The host's Python, and the one that native environments are made of."""
    said = question.facts.python
    new = tuple(map(int, said.split('.')[:2])) >= (3, 6)
    yield good('Python of the launcher', said) if new else fail('Python of the launcher', said, 'make PYTHON=python3.8')
    envs = [env for env in question.envs if question.runtimes[env] == 'native' and question.host.venvs[env] != 'ready']
    if envs and not question.facts.python38:
        yield fail('Python 3.8', 'there is none', question.facts.python38_advice)
        return
    for env in envs:  # of those that are ready the self-check inside says the rest
        path, seen = question.facts.python38
        wanted, said = ledger.environment(env)['python']['shipped'], '{} ({})'.format(seen, path)
        if seen != wanted:
            said += '; the ledger says {}: any 3.8 works, the difference is declared'.format(wanted)
        yield (good if seen == wanted else warn)('Python 3.8 for ' + env, said)


def compiler(question):
    """Needed once, for mmcv's operators in a native environment."""
    needed = any(question.runtimes[env] == 'native' and question.host.venvs[env] != 'ready' for env in question.envs)
    if question.facts.compiler or not needed:
        yield good('C++ compiler', question.facts.compiler or 'there is none, and none is needed')
    else:
        yield fail('C++ compiler', 'there is none', 'sudo apt-get install g++')


def runtime(question):
    """What would be taken for each environment, and what is missing for it: engine, daemon, image, its ledger."""
    for env in question.envs:
        taken, reason, problems = containers.choose(question.settings, question.host, env)
        if not problems:
            yield good('runtime for ' + env, reason)
        for problem in problems:
            yield fail('runtime for ' + env, '{}: {}'.format(taken, problem.message), problem.hint)


def inside(question):
    """Versions against the ledger and the compiled operators, as the self-check inside the runtime saw them."""
    for env in question.envs:
        report, what = question.facts.selfchecks.get(env), 'inside ' + env
        again = '{} ENV={}'.format(AGAIN[question.runtimes[env]], env)
        if report is None:
            yield warn(what, 'not looked at: the runtime is not complete')
        elif 'error' in report:
            yield fail(what, 'the self-check did not run: ' + report['error'], again)
        else:
            for found in report['findings']:
                item = '{} in {}'.format(found['what'], env)
                if found['status'] != 'ok':
                    yield fail(item, found['says'], again) if found['status'] == 'fail' else warn(item, found['says'])
            fine = sum(found['status'] == 'ok' for found in report['findings'])
            said = '{} checks of versions, imports and operators passed, {} failed'.format(fine, report['failed'])
            yield fail(what, said, again) if report['failed'] else good(what, said)


def cards(question):
    """Cards and driver against the CUDA of the image, and against what the documented torch has code for."""
    accel = containers.accelerator(question.settings, question.host)
    if accel != 'nv':
        yield good('card', 'none: everything runs on the CPU' if accel == 'none' else 'ROCm: judged by your site')
    elif not question.facts.cards and question.settings.launcher == 'slurm':
        yield warn('card', 'nvidia-smi shows none here; the compute nodes may have them')
    elif not question.facts.cards:
        yield fail('card', 'nvidia-smi shows none', 'nvidia-smi, or ACCEL=none')
    kind = containers.variant(question.settings, accel)
    cuda = ledger.variant(kind).get('cuda') if kind in ledger.variants() else None
    for card in question.facts.cards if accel == 'nv' else ():
        yield _architecture(card)
        yield _driver(card, cuda, kind)


def _architecture(card):
    if card.architecture is None:
        return warn(card.name, 'its driver does not say the architecture')
    name, newest = 'sm_{}{}'.format(*card.architecture), 'sm_{}{}'.format(*NEWEST_ARCHITECTURE)
    if card.architecture > NEWEST_ARCHITECTURE:
        return fail(card.name, '{} needs a newer torch than the documented 1.10.0, which has code up to {}'.format(
            name, newest), 'a card up to {} (A100, RTX 30), or ACCEL=none VARIANT=cpu'.format(newest))
    return good(card.name, name)


def _driver(card, cuda, kind):
    if not cuda:
        said = '{}; the variant {} has no CUDA operators'.format(card.driver, kind)
        return warn('driver', said, 'VARIANT=cu113')
    seen = tuple(int(part) for part in card.driver.split('.')[:2] if part.isdigit())
    if seen < DRIVERS[cuda]:
        said = '{} is too old for CUDA {}, which needs {}.{}'.format(card.driver, cuda, *DRIVERS[cuda])
        return fail('driver', said, 'ask for a newer driver, or ACCEL=none')
    return good('driver', '{} runs CUDA {}'.format(card.driver, cuda))


def memory(question):
    """Shared memory: docker gets its own, everything else has the host's."""
    size = question.facts.shm
    said = '{:.1f} GB in /dev/shm'.format(size / 1e9)
    if set(question.runtimes.values()) == {'docker'}:
        yield good('shared memory', 'docker gives {} (SHM_SIZE)'.format(question.settings.shm_size))
    elif size >= SHM_BYTES:
        yield good('shared memory', said)
    else:
        yield warn('shared memory', said, 'sudo mount -o remount,size=8G /dev/shm, or fewer WORKERS')


def disk(question):
    """Room for what a training writes."""
    for path, free in question.facts.free.items():
        what, said = 'disk of ' + path, '{:.0f} GB left'.format(free / 1e9)
        yield good(what, said) if free >= WORK_BYTES else warn(what, said, 'MTP_WORK_ROOT=folder on a larger disk')


def folders(question):
    """The three folders, and which data sets lie in the first."""
    settings = question.settings
    for variable, path, write in (('MTP_DATA_ROOT', settings.data_root, False),
                                  ('MTP_WEIGHTS_ROOT', settings.weights_root, False),
                                  ('MTP_WORK_ROOT', settings.work_root, True)):
        state = question.host.folders[path]
        if not state.exists and path == 'work_dirs':
            yield good(variable, 'work_dirs will be made')
        elif not state.exists:
            yield warn(variable, path + ' is not there', 'mkdir -p {0}, or {1}=folder'.format(path, variable))
        elif not (state.writable if write else state.readable):
            yield fail(variable, '{} cannot be {}'.format(path, 'written' if write else 'read'), 'ls -ld ' + path)
        else:
            yield good(variable, path)
    found = question.facts.datasets
    yield good('data sets', 'found: ' + ' '.join(found)) if found else warn(
        'data sets', 'found none',
        'make demo needs none; python3 -m mtp.data describe <dataset>, then make data-<dataset>')


def slurm(question):
    """srun, and the partition where one is named."""
    known, wanted = question.facts.partitions, question.settings.partition
    if 'srun' not in question.host.tools and question.settings.launcher == 'slurm':
        yield fail('SLURM', 'there is no srun', 'log in to the cluster, or LAUNCHER=local')
    elif 'srun' not in question.host.tools:
        yield good('SLURM', 'there is no srun; LAUNCHER=local needs none')
    elif wanted and wanted not in known:
        yield fail('SLURM', 'there is no partition {!r}'.format(wanted), 'PARTITION=' + (' or '.join(known) or '?'))
    else:
        yield good('SLURM', 'partitions: ' + (' '.join(known) or 'unknown'))


JUDGES = (python, compiler, runtime, inside, cards, memory, disk, folders, slurm)


def judge(question):
    """All findings of all judges."""
    return [finding for each in JUDGES for finding in each(question)]


def text(findings):
    """The findings for people."""
    lines = []
    for found in findings:
        lines.append('[{}] {}: {}'.format(found.status, found.what, found.says))
        lines += ['       next: ' + found.next] if found.next else []
    count = [sum(found.status == status for found in findings) for status in (PASS, WARN, FAIL)]
    return '\n'.join(lines + ['{} pass, {} warn, {} fail'.format(*count)])


def main():
    """Judge this machine; exit code 1 when something fails."""
    settings = from_environ(os.environ)
    envs = (settings.env,) if settings.env else tuple(ledger.names())
    for env in envs:
        ledger.environment(env)
    machine = host.look(settings)
    runtimes = {env: containers.choose(settings, machine, env)[0] for env in envs}
    question = Question(settings, machine, facts.gather(settings, machine, envs, catalogue), envs, runtimes)
    findings = judge(question)
    failed = sum(found.status == FAIL for found in findings)
    if settings.json or '--json' in sys.argv:
        sys.stdout.write(json.dumps({'runtimes': runtimes, 'failed': failed,
                                     'findings': [found._asdict() for found in findings]}, indent=1) + '\n')
    else:
        sys.stdout.write(text(findings) + '\n')
    return FAILED if failed else OK


if __name__ == '__main__':
    run_main(main)
