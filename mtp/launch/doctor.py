"""``make doctor``: judges a machine for the chosen runtime. Facts are gathered first, then judged by pure functions."""
import json
import os
import sys
from typing import Dict, Iterator, List, NamedTuple, Sequence, Tuple

from mtp.data import catalogue
from mtp.errors import FAILED, OK, run_main
from mtp.launch import choice, containers, engines, facts, host, ledger, runtimes, setup, venvs
from mtp.launch import doctor_cards
from mtp.launch import doctor_node as compute
from mtp.launch.findings import FAIL, PASS, WARN, Finding, fail, good, shared_memory, warn
from mtp.launch.runtimes.base import Runtime
from mtp.launch.settings import Settings, from_environ

WORK_BYTES = 20 << 30  # checkpoints of one ViT-L training with optimizer states

Question = NamedTuple('Question', [
    ('settings', Settings), ('host', host.Host), ('facts', facts.Facts),
    ('envs', Tuple[str, ...]), ('runtimes', Dict[str, str]),  # environment -> runtime that would be taken
])


def python(question: Question) -> Iterator[Finding]:
    """The host's Python, and those that native environments are made of."""
    said = question.facts.python
    new = tuple(map(int, said.split('.')[:2])) >= (3, 6)
    yield good('Python of the launcher', said) if new else fail(
        'Python of the launcher', said, 'make PYTHON=python3.8, or any from 3.6 on')
    envs = _unready(question)
    for minor in dict.fromkeys(map(ledger.minor, envs)):
        if not question.facts.pythons[minor][0]:
            yield fail('Python ' + minor, 'there is none', question.facts.pythons[minor][1])
    for env in envs:  # of those that are ready the self-check inside says the rest
        minor = ledger.minor(env)
        found = question.facts.pythons[minor][0]
        if found:
            yield _interpreter(env, minor, *found)


def _interpreter(env: str, minor: str, path: str, seen: str) -> Finding:
    wanted, said = ledger.environment(env)['python']['shipped'], f'{seen} ({path})'
    if seen != wanted:
        said += f'; the ledger says {wanted}: any {minor} works, the difference is declared'
    return (good if seen == wanted else warn)(f'Python {minor} for {env}', said)


def compiler(question: Question) -> Iterator[Finding]:
    """Needed once, for mmcv's operators in a native environment."""
    if question.facts.compiler or not _unready(question):
        yield good('C++ compiler', question.facts.compiler or 'there is none, and none is needed')
    else:
        yield fail('C++ compiler', 'there is none', 'sudo apt-get install g++')


def runtime(question: Question) -> Iterator[Finding]:
    """What would be taken for each environment, and what is missing for it: engine, daemon, image, its ledger."""
    for env in question.envs:
        taken, reason, problems = containers.choose(question.settings, question.host, env)
        if not problems:
            yield good('runtime for ' + env, reason)
        for problem in problems:
            yield fail('runtime for ' + env, f'{taken}: {problem.message}', problem.hint)


def bases(question: Question) -> Iterator[Finding]:
    """Base images that an image would be built from by tag, before anything is pulled."""
    for env in question.envs:
        kind = choice.variant(question.settings, question.host, env)
        built = kind in ledger.variants(env) and runtimes.get(question.runtimes[env]).in_image
        for name, resolve in sorted(ledger.unpinned(env, kind).items()) if built else ():
            yield warn(f'base of {env} ({kind})', name + ' is taken by its tag: its digest is unresolved',
                       resolve)


def inside(question: Question) -> Iterator[Finding]:
    """Versions against the ledger and the compiled operators, as the self-check inside the runtime saw them."""
    for env in question.envs:
        report, what = question.facts.selfchecks.get(env), 'inside ' + env
        again = f'{runtimes.get(question.runtimes[env]).makes} ENV={env}{_variant_word(question, env)}'
        if report is None:
            yield warn(what, 'not looked at: ' + ('the runtime is not complete' if runtimes.get(
                question.runtimes[env]).here else 'only a job on the cluster sees it'))
        elif 'error' in report:
            yield fail(what, 'the self-check did not run: ' + report['error'], report.get('next') or again)
        else:
            for found in report['findings']:
                item = '{} in {}'.format(found['what'], env)
                if found['status'] != 'ok':
                    yield fail(item, found['says'], again) if found['status'] == 'fail' else warn(item, found['says'])
            fine = sum(found['status'] == 'ok' for found in report['findings'])
            said = '{} checks of versions, imports and operators passed, {} failed'.format(fine, report['failed'])
            yield fail(what, said, again) if report['failed'] else good(what, said)


def _variant_word(question: Question, env: str) -> str:
    kind = question.settings.variant  # of a native environment the user says it; an image is found by the card
    if not kind and runtimes.get(question.runtimes[env]).in_image:
        kind = choice.variant(question.settings, question.host, env)
    return ' VARIANT=' + kind if kind in ledger.variants(env) else ''


def variant(question: Question) -> Iterator[Finding]:
    """A variant that the ledger does not know, and no site builds for itself."""
    asked = question.settings.variant
    if asked and asked not in ledger.variants() and choice.accelerator(question.settings, question.host) != 'rocm':
        yield fail('variant', f'the ledger knows no {asked!r}', 'VARIANT=' + ' or '.join(ledger.variants()))


def cards(question: Question) -> Iterator[Finding]:
    """Cards and driver against the CUDA of the image, and against what the documented torch has code for."""
    accel = choice.accelerator(question.settings, question.host)
    if accel != 'nv':
        yield good('card', 'none: everything runs on the CPU' if accel == 'none' else 'ROCm: judged by your site')
    elif not question.facts.cards and question.settings.launcher == 'slurm':
        yield good('card', 'none here; those of the compute nodes count')
    elif not question.facts.cards:
        yield fail('card', 'nvidia-smi shows none', 'nvidia-smi, or ACCEL=none')
    elif all(each.client and not _cards(question, each) for each in _taken(question)):
        yield fail('cards in a container', *_taken(question)[0].no_cards)
    for card in question.facts.cards if accel == 'nv' else ():
        yield from doctor_cards.findings(question, card, '')


def memory(question: Question) -> Iterator[Finding]:
    """Shared memory: docker gets its own, everything else has the host's."""
    taken = _taken(question)
    if all(each.own_memory for each in taken):
        yield good('shared memory', f'{taken[0].name} gives {question.settings.shm_size} (SHM_SIZE)')
    else:
        yield shared_memory('shared memory', question.facts.shm)


def disk(question: Question) -> Iterator[Finding]:
    """Room for what a training writes, for what is still to be made, and on the disk of the engine, another one."""
    settings, free = question.settings, question.facts.free
    yield _room('disk of ' + settings.work_root, free[settings.work_root], WORK_BYTES, 'a training of ViT-L takes',
                'MTP_WORK_ROOT=folder on a larger disk')
    making = _unready(question)
    if making:
        yield _room('disk of ' + settings.venv_root, free[settings.venv_root], len(making) * setup.VENV_BYTES,
                    'the environments take', 'MTP_VENV_ROOT=folder on a larger disk')
        yield _room('disk of ' + settings.cache_root, free[settings.cache_root], setup.COMPILE_BYTES,
                    'compiling the operators takes', 'MTP_CACHE_ROOT=folder on a larger disk')
    for each in _taken(question):
        seen = question.host.engines.get(each.name, engines.UNASKED)
        missing = [env for env in question.envs if question.runtimes[env] == each.name and
                   containers.choose(settings, question.host, env)[2]]
        if seen.free >= 0:
            yield _room('disk of the engine, ' + seen.about.root, seen.free,
                        max(len(missing) * engines.BUILD_BYTES, engines.RUN_BYTES),
                        'building what is missing takes' if missing else 'running takes',
                        each.prune + '; a larger disk: ' + each.larger_disk)


def _taken(question: Question) -> List[Runtime]:
    """The runtimes that would be taken, each once."""
    return [runtimes.get(name) for name in dict.fromkeys(question.runtimes[env] for env in question.envs)]


def _unready(question: Question) -> List[str]:
    """Native environments that would be taken and are still to be made."""
    return [env for env in question.envs
            if not runtimes.get(question.runtimes[env]).in_image and question.host.venvs[env] != 'ready']


def _cards(question: Question, engine: Runtime) -> bool:
    """Whether an engine can hand cards to a container, as far as it has said so."""
    seen = question.host.engines.get(engine.name, engines.UNASKED)
    return bool(seen.refusal) or seen.about.cards


def _room(what: str, free: int, needed: int, purpose: str, following: str) -> Finding:
    said = f'{free / 1e9:.1f} GB left; {purpose} about {needed / 1e9:.1f} GB'
    return good(what, said) if free >= needed else warn(what, said, following)


def node(question: Question) -> Iterator[Finding]:
    """A compute node, which is where a job runs: what the login node has is another matter."""
    return compute.findings(question, doctor_cards.findings)


def folders(question: Question) -> Iterator[Finding]:
    """The three folders, and which data sets lie in the first."""
    settings = question.settings
    for variable, path, write in (('MTP_DATA_ROOT', settings.data_root, False),
                                  ('MTP_WEIGHTS_ROOT', settings.weights_root, False),
                                  ('MTP_WORK_ROOT', settings.work_root, True)):
        state = question.host.folders[path]
        if not state.exists and path == 'work_dirs':
            yield good(variable, 'work_dirs will be made')
        elif not state.exists:
            yield warn(variable, path + ' is not there', f'mkdir -p {path}, or {variable}=folder')
        elif not (state.writable if write else state.readable):
            yield fail(variable, '{} cannot be {}'.format(path, 'written' if write else 'read'), 'ls -ld ' + path)
        else:
            yield good(variable, path)
    found = question.facts.datasets
    yield good('data sets', 'found: ' + ' '.join(found)) if found else warn(
        'data sets', 'found none',
        'make demo needs none; python3 -m mtp.data describe <dataset>, then make data-<dataset>')


def runs(question: Question) -> Iterator[Finding]:
    """Which of the published runs can start with the weights and the data that are here."""
    found = question.facts.ready
    if found:
        fine = any(not run[kind] for run in found['runs'].values() for kind in run)
        yield good('published runs', found['sentence']) if fine else warn(
            'published runs', found['sentence'], 'make weights')


def slurm(question: Question) -> Iterator[Finding]:
    """srun, and the partition where one is named."""
    known, wanted = question.facts.partitions, question.settings.partition
    if 'srun' not in question.host.tools and question.settings.launcher == 'slurm':
        yield fail('SLURM', 'there is no srun', 'log in to the cluster, or LAUNCHER=local')
    elif 'srun' not in question.host.tools:
        yield good('SLURM', 'there is no srun; LAUNCHER=local needs none')
    elif wanted and wanted not in known:
        yield fail('SLURM', f'there is no partition {wanted!r}', 'PARTITION=' + (' or '.join(known) or '?'))
    else:
        yield good('SLURM', 'partitions: ' + (' '.join(known) or 'unknown'))


JUDGES = (python, compiler, runtime, bases, inside, variant, cards, memory, disk, folders, runs, slurm, node)


def judge(question: Question) -> List[Finding]:
    """All findings of all judges."""
    return [finding for each in JUDGES for finding in each(question)]


def text(findings: Sequence[Finding]) -> str:
    """The findings for people."""
    lines = []
    for found in findings:
        lines.append(f'[{found.status}] {found.what}: {found.says}')
        lines += ['       next: ' + found.next] if found.next else []
    count = [sum(found.status == status for found in findings) for status in (PASS, WARN, FAIL)]
    return '\n'.join(lines + ['{} pass, {} warn, {} fail'.format(*count)])


def _meant(settings: Settings, machine: host.Host) -> Tuple[str, ...]:
    """The environments of the record, those that are made here, and the one that the cards here need."""
    needed = [env for env, _ in choice.asked(settings._replace(variant=''), choice.seen(settings, machine))]
    return tuple(env for env in ledger.names() if env in needed or machine.venvs[env] != venvs.ABSENT)


def main() -> int:
    """Judge this machine; exit code 1 when something fails."""
    settings = from_environ(os.environ)
    if settings.env:
        ledger.environment(settings.env)
    machine = host.look(settings)
    envs = (settings.env,) if settings.env else _meant(settings, machine)
    runtimes = {env: containers.choose(settings, machine, env)[0] for env in envs}
    question = Question(settings, machine, facts.gather(settings, machine, envs, catalogue), envs, runtimes)
    findings = judge(question)
    failed = sum(found.status == FAIL for found in findings)
    if settings.json or '--json' in sys.argv:
        sys.stdout.write(json.dumps({'runtimes': runtimes, 'failed': failed,
                                     'runs': question.facts.ready.get('runs', {}),
                                     'findings': [found._asdict() for found in findings]}, indent=1) + '\n')
    else:
        sys.stdout.write(text(findings) + '\n')
    return FAILED if failed else OK


if __name__ == '__main__':
    run_main(main)
