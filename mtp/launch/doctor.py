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

Finding = NamedTuple('Finding', [('status', str), ('what', str), ('says', str), ('next', str)])
Question = NamedTuple('Question', [
    ('settings', object), ('host', object), ('facts', object),
    ('envs', Tuple[str, ...]), ('runtimes', Dict[str, str]),  # environment -> runtime that would be taken
])


def python(question):
    """The host's Python, and the one that native environments are made of."""
    said = question.facts.python
    good = tuple(map(int, said.split('.')[:2])) >= (3, 6)
    yield Finding(PASS if good else FAIL, 'Python of the launcher', said, '' if good else 'make PYTHON=python3.8 doctor')
    envs = [env for env in question.envs if question.runtimes[env] == 'native' and question.host.venvs[env] != 'ready']
    if not envs:  # the self-check inside says the rest
        return
    if not question.facts.python38:
        yield Finding(FAIL, 'Python 3.8', 'there is none', question.facts.python38_advice)
        return
    path, seen = question.facts.python38
    for env in envs:
        wanted = ledger.environment(env)['python']['shipped']
        yield Finding(PASS if seen == wanted else WARN, 'Python 3.8 for ' + env,
                      '{} ({}){}'.format(seen, path, '' if seen == wanted else
                                         '; the ledger says {}: any 3.8 works, the difference is declared'.format(wanted)), '')


def compiler(question):
    """Needed once, for mmcv's operators in a native environment."""
    found = question.facts.compiler
    needed = 'native' in question.runtimes.values() and any(
        question.host.venvs[env] != 'ready' for env in question.envs)
    if found:
        yield Finding(PASS, 'C++ compiler', found, '')
    else:
        yield Finding(FAIL if needed else PASS, 'C++ compiler', 'there is none' + ('' if needed else ', and none is needed'),
                      'sudo apt-get install g++' if needed else '')


def runtime(question):
    """What would be taken for each environment, and what is missing for it: engine, daemon, image, its ledger."""
    for env in question.envs:
        taken, reason, problems = containers.choose(question.settings, question.host, env)
        if not problems:
            yield Finding(PASS, 'runtime for ' + env, reason, '')
        for problem in problems:
            yield Finding(FAIL, 'runtime for ' + env, '{}: {}'.format(taken, problem.message), problem.hint)


def inside(question):
    """Versions against the ledger and the compiled operators, as the self-check inside the runtime saw them."""
    for env in question.envs:
        report = question.facts.selfchecks.get(env)
        if report is None:
            yield Finding(WARN, 'inside ' + env, 'not looked at: the runtime is not complete', '')
            continue
        again = {'native': 'make setup', 'docker': 'make images', 'apptainer': 'make sif'}[question.runtimes[env]]
        again += ' ENV=' + env
        if 'error' in report:
            yield Finding(FAIL, 'inside ' + env, 'the self-check did not run: ' + report['error'], again)
            continue
        for found in report['findings']:
            if found['status'] != 'ok':
                yield Finding(FAIL if found['status'] == 'fail' else WARN, '{} in {}'.format(found['what'], env),
                              found['says'], again if found['status'] == 'fail' else '')
        good = sum(found['status'] == 'ok' for found in report['findings'])
        yield Finding(PASS if not report['failed'] else FAIL, 'inside ' + env, '{} checks of versions, imports and operators '
                      'passed, {} failed'.format(good, report['failed']), again if report['failed'] else '')


def cards(question):
    """Cards and driver against the CUDA of the image, and against what the documented torch has code for."""
    accel = containers.accelerator(question.settings, question.host)
    if accel != 'nv':
        yield Finding(PASS, 'card', {'none': 'none: everything runs on the CPU', 'rocm': 'ROCm: judged by your site'}[accel], '')
        return
    if not question.facts.cards:
        slurm = question.settings.launcher == 'slurm'
        yield Finding(WARN if slurm else FAIL, 'card', 'nvidia-smi shows none here' + (
            '; the compute nodes may have them' if slurm else ''), 'nvidia-smi, or ACCEL=none')
        return
    kind = containers.variant(question.settings, accel)
    cuda = ledger.variant(kind).get('cuda') if kind in ledger.variants() else None
    for card in question.facts.cards:
        yield _architecture(card)
        yield _driver(card, cuda, kind)


def _architecture(card):
    if card.architecture is None:
        return Finding(WARN, card.name, 'its architecture is not known to the driver', 'nvidia-smi')
    name = 'sm_{}{}'.format(*card.architecture)
    if card.architecture > NEWEST_ARCHITECTURE:
        return Finding(FAIL, card.name, '{} needs a newer torch than the documented 1.10.0, which has code up to sm_{}{}'
                       .format(name, *NEWEST_ARCHITECTURE), 'a card up to sm_86 (A100, RTX 30), or ACCEL=none VARIANT=cpu')
    return Finding(PASS, card.name, name, '')


def _driver(card, cuda, kind):
    if not cuda:
        return Finding(WARN, 'driver', '{}; the variant {} has no CUDA operators'.format(card.driver, kind), 'VARIANT=cu113')
    oldest = DRIVERS[cuda]
    seen = tuple(int(part) for part in card.driver.split('.')[:2] if part.isdigit())
    if seen < oldest:
        return Finding(FAIL, 'driver', '{} is too old for CUDA {}, which needs {}.{}'.format(card.driver, cuda, *oldest),
                       'ask for a newer driver, or ACCEL=none')
    return Finding(PASS, 'driver', '{} runs CUDA {}'.format(card.driver, cuda), '')


def memory(question):
    """Shared memory: docker gets its own, everything else has the host's."""
    size = question.facts.shm
    if set(question.runtimes.values()) == {'docker'}:
        yield Finding(PASS, 'shared memory', 'docker gives {} (SHM_SIZE)'.format(question.settings.shm_size), '')
    else:
        good = size >= SHM_BYTES
        yield Finding(PASS if good else WARN, 'shared memory', '{:.1f} GB in /dev/shm'.format(size / 1e9),
                      '' if good else 'sudo mount -o remount,size=8G /dev/shm, or fewer WORKERS')


def disk(question):
    """Room for what a training writes."""
    for path, free in question.facts.free.items():
        good = free >= WORK_BYTES
        yield Finding(PASS if good else WARN, 'disk of ' + path, '{:.0f} GB left'.format(free / 1e9),
                      '' if good else 'MTP_WORK_ROOT=folder on a larger disk')


def folders(question):
    """The three folders, and which data sets lie in the first."""
    settings = question.settings
    for variable, path, write in (('MTP_DATA_ROOT', settings.data_root, False),
                                  ('MTP_WEIGHTS_ROOT', settings.weights_root, False),
                                  ('MTP_WORK_ROOT', settings.work_root, True)):
        state = question.host.folders[path]
        if not state.exists:
            fine = write and path == 'work_dirs'
            yield Finding(PASS if fine else WARN, variable, path + (' will be made' if fine else ' is not there'),
                          '' if fine else 'mkdir -p {0}, or {1}=folder'.format(path, variable))
        elif not (state.writable if write else state.readable):
            yield Finding(FAIL, variable, '{} cannot be {}'.format(path, 'written' if write else 'read'), 'ls -ld ' + path)
        else:
            yield Finding(PASS, variable, path, '')
    found = question.facts.datasets
    yield Finding(PASS if found else WARN, 'data sets', 'found: ' + (' '.join(found) or 'none'),
                  '' if found else 'make demo needs none; else the pages of the data sets, then make data-<dataset>')


def slurm(question):
    """srun, and the partition where one is named."""
    asked = question.settings.launcher == 'slurm'
    if 'srun' not in question.host.tools:
        yield Finding(FAIL if asked else PASS, 'SLURM', 'there is no srun' + ('' if asked else '; LAUNCHER=local needs none'),
                      'log in to the cluster, or LAUNCHER=local' if asked else '')
        return
    known, wanted = question.facts.partitions, question.settings.partition
    if wanted and wanted not in known:
        yield Finding(FAIL, 'SLURM', 'there is no partition {!r}'.format(wanted), 'PARTITION=' + (' or '.join(known) or '?'))
    else:
        yield Finding(PASS, 'SLURM', 'partitions: ' + (' '.join(known) or 'unknown'), '')


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
