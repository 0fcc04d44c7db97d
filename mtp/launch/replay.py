"""``make replay PASSPORT=file``: the run of a passport once more, in whichever runtime is asked for, and what differs.

The plan is made from the recorded command line: folders of then become folders of now, results go to a new folder. As
many processes with as many threads as then; whoever asks for others is told. What is compared stands in two passports,
so ``python3 -m mtp.launch.replay OLD NEW`` also compares runs that were started by hand.
"""
import argparse
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from mtp import numbers
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.launch import foreign, ledger, passports, slurm
from mtp.launch.host import folder as look_at
from mtp.launch.jobs import Job, need_file
from mtp.launch.plan import Plan, command
from mtp.terminal import shown

if TYPE_CHECKING:
    from mtp.launch.containers import Places
    from mtp.launch.host import Host
    from mtp.launch.settings import Settings

SCRIPTS = {'pretrain': 'main_pretrain.py', 'finetune': 'tools/train.py', 'test': 'tools/test.py'}
FOLDER_FLAGS = {'pretrain': '--save_path', 'finetune': '--work-dir', 'test': '--work-dir'}
NAMES = {'pretrain': 'passport.json', 'finetune': 'passport.json', 'test': 'passport-test.json'}


def plan(settings: 'Settings', host: 'Host',
         job_plan: Callable[['Settings', 'Host', str, Callable[['Places'], Job]], Plan]) -> Plan:
    """Plan of the run and of the comparison.

    Args:
        settings: a :class:`Settings`; PASSPORT, OUT and TOLERANCE of it.
        host: a :class:`Host`.
        job_plan: :func:`mtp.launch.verbs.job_plan`.

    Raises:
        MTPError: no passport, or one of a run that was never finished, or another number of processes is asked for.
    """
    words = settings.words
    if not words['PASSPORT']:
        raise MTPError('make replay needs a passport', hint='make replay PASSPORT=work_dirs/.../passport.json')
    path = os.path.join(host.root, words['PASSPORT'])
    then = passports.read(path)
    foreign.facts(then, words['PASSPORT'])
    if then['kind'] not in SCRIPTS or then['status'] != 'complete':
        raise MTPError('{} is of a run ({}) that is {}; a replay compares with a complete one'.format(
            words['PASSPORT'], then['kind'], then['status']), hint='finish that run: start its command again')
    new = words['OUT'] or fresh(host.root, settings.work_root, then['kind'])
    settings = like(settings, then)
    settings, host = data_of_then(settings, host, then, os.path.dirname(path))
    env = then['environment']['name'] or ledger.serving('pretrain')[0]
    if env not in ledger.names():
        raise foreign.refused('the environment ' + env, 'the ledger has none of that name')
    asked = script_words(then, new, settings)
    foreign.check(then['kind'], asked, new, settings.config)

    def build(places: 'Places') -> Job:
        script = [SCRIPTS[then['kind']]] + [placed(word, places) for word in asked]
        need_file(host.root, script)
        reads = ('data', 'weights') if host.folders[settings.weights_root].exists else ('data', )
        return Job(env, tuple(script), reads, ('work_dirs', ), True, then['processes'])

    made = job_plan(settings, host, env, build)
    threads = {name: settings.environ[name] for name in ('OMP_NUM_THREADS',) if name in settings.environ}
    commands = [item._replace(environment=dict(threads, **item.environment)) for item in made.commands]
    result = os.path.join(host.root, new_on_host(new, settings), NAMES[then['kind']])
    compare = ['python3', '-m', 'mtp.launch.replay', path, result]
    compare += ['--tolerance', words['TOLERANCE']] if words['TOLERANCE'] else []
    told = ' '.join(shlex.quote(word) for word in [SCRIPTS[then['kind']]] + asked)
    reason = f'{made.reason}; the passport asks for: {told} (data: {settings.data_root})'
    return made._replace(commands=tuple(commands) + (command(compare),), reason=reason)


def fresh(root: str, work_root: str, kind: str) -> str:
    """Short path of a folder for results that is not there yet."""
    number = 1
    while os.path.exists(os.path.join(root, work_root, 'replay', f'{kind}-{number}')):
        number += 1
    return f'work_dirs/replay/{kind}-{number}'


def new_on_host(new: str, settings: 'Settings') -> str:
    """Where the short path ``new`` lies on the host."""
    return settings.work_root + new[len('work_dirs'):] if new.startswith('work_dirs/') else new


def like(settings: 'Settings', then: Mapping[str, Any]) -> 'Settings':
    """``settings`` with as many processes, threads and cards as the recorded run had."""
    asked, wanted = settings.nodes * settings.gpus, then['processes']
    if asked == 1 and wanted > 1:
        settings = settings._replace(gpus=wanted)
    elif asked != wanted:
        raise MTPError('the run had {} processes, NODES={} GPUS={} asks for {}: the numbers cannot be the same'.format(
            wanted, settings.nodes, settings.gpus, asked), hint='NODES=1 GPUS={}'.format(wanted))
    if settings.accel == 'auto' and not then['hardware'].get('gpus'):
        settings = settings._replace(accel='none')
    threads = then['hardware'].get('threads')
    if threads and 'OMP_NUM_THREADS' not in settings.environ:
        settings = settings._replace(environ=dict(settings.environ, OMP_NUM_THREADS=str(threads)))
    return settings


def data_of_then(settings: 'Settings', host: 'Host', then: Mapping[str, Any], folder: str) -> Tuple['Settings', 'Host']:
    """(settings, host) with the data where the run found them, when nobody says otherwise and they are still there.

    They are named as seen from ``folder``, that of the passport. In a container they were at /data, which says nothing
    of this machine: then it is MTP_DATA_ROOT as for every verb.
    """
    recorded = os.path.normpath(os.path.join(os.path.abspath(folder), then['roots']['data']))
    native = then['environment']['image']['runtime'] == 'native'
    if settings.data_root != 'data' or not native or not os.path.isdir(recorded):
        return settings, host
    return settings._replace(data_root=recorded), host._replace(
        folders=dict(host.folders, **{recorded: look_at(recorded)}))


def script_words(then: Mapping[str, Any], new: str, settings: 'Settings') -> List[str]:
    """Words after the script, as short paths, with results going to ``new``."""
    flag, found, moved = FOLDER_FLAGS[then['kind']], [], False
    for word in without_resume(then['command'][2:], then['kind']):
        head, equals, tail = word.rpartition('=')
        short = portable(tail, then, new)
        moved = moved or short.startswith(new)
        if word.startswith('--launcher='):
            short = slurm.tool_launcher(settings)
        found.append(head + equals + short)
    found += [] if moved else [flag, new]
    if settings.accel == 'none' and '--device' in found and 'cuda' in found:  # asked for then, not now
        at = found.index('--device')
        del found[at:at + 2]
    if then['kind'] == 'pretrain':
        found += ['--distributed', str(then['processes'] > 1 or settings.launcher == 'slurm')]
    return found


def without_resume(words: Iterable[str], kind: str) -> List[str]:
    """A replay begins at the beginning: ``--resume``, its brothers and the file behind them are left out."""
    kept, skip = [], False
    for word in words:
        flag, equals, _ = word.partition('=')
        if skip and not word.startswith('-') and not word.endswith('.py'):  # a config may follow a flag without value
            skip = False
            continue
        skip = kind != 'pretrain' and flag in ('--resume', '--auto-resume', '--resume-from') and not equals
        if not skip and not (kind != 'pretrain' and flag in ('--resume', '--resume-from')):
            kept.append(word)
    return kept


def portable(word: str, then: Mapping[str, Any], new: str) -> str:
    """A recorded path as a short one: what lay in the run's own folder lies in ``new``; other words stay."""
    word, folder = shortened(word, then), shortened(then['folder'], then)
    return new + word[len(folder):] if word == folder or word.startswith(folder + '/') else word


def shortened(path: str, then: Mapping[str, Any]) -> str:
    """``path`` in its short form: passports of before hold whole paths, and so do their roots."""
    for kind, folder in roots_of_before(then):
        if path == folder or path.startswith(folder + '/'):
            rest = path[len(folder):]
            return rest[1:] if kind == 'code' else kind + rest
    return path


def roots_of_before(passport: Mapping[str, Any]) -> List[Tuple[str, str]]:
    """(name, whole path) of the roots, one inside another first; none where the passport holds short forms."""
    found = [(kind, folder.rstrip('/')) for kind, folder in passport['roots'].items() if os.path.isabs(folder)]
    return sorted(found, key=lambda item: -len(item[1]))


def placed(word: str, places: 'Places') -> str:
    """``word`` with the short path in it as the program sees it."""
    head, equals, tail = word.rpartition('=')
    return head + equals + (places.of(tail) if tail.startswith(('work_dirs/', 'data/', 'weights/')) else tail)


def flat(value: object, name: str = '') -> Dict[str, float]:
    """Numbers of nested dicts as ``{'a/b': number}``."""
    if isinstance(value, dict):
        return {key: item for part, inner in value.items() for key, item in
                flat(inner, f'{name}/{part}' if name else part).items()}
    return {name: value} if isinstance(value, (int, float)) and not isinstance(value, bool) else {}


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> List[str]:
    """Names whose values differ between two dicts, with both values."""
    return ['{} {} -> {}'.format(name, old.get(name, 'none'), new.get(name, 'none'))
            for name in sorted(set(old) | set(new)) if old.get(name) != new.get(name)]


def surroundings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Tuple[str, str]]:
    """(what, sentence or '' when it is the same) of everything that may explain a difference."""
    def told(image: Mapping[str, Any]) -> str:
        return ' '.join(str(image[key]) for key in ('runtime', 'name', 'digest') if image[key])

    images = [told(each['environment']['image']) for each in (old, new)]
    yield 'image', '' if images[0] == images[1] else ' -> '.join(images)
    for what, values in (('ledger', [each['environment']['ledger'] for each in (old, new)]),
                         ('code', [running(each['code']) for each in (old, new)]),
                         ('processor', [str(each['hardware'].get('processor')) for each in (old, new)]),
                         ('GPUs', [str(each['hardware'].get('gpus')) for each in (old, new)]),
                         ('threads', [str(each['hardware'].get('threads')) for each in (old, new)])):
        yield what, '' if values[0] == values[1] else ' -> '.join(str(value)[:90] for value in values)
    seeds = [each['seed'] for each in (old, new)]
    yield 'seed', 'none was set, so each run draws its own' if None in seeds and old['kind'] != 'test' else (
        '' if seeds[0] == seeds[1] else '{} -> {}'.format(*seeds))
    versions = differing(old['environment']['versions'], new['environment']['versions'])
    yield 'versions', '; '.join(versions[:8]) + (f' and {len(versions) - 8} more' if len(versions) > 8 else '')
    data = neutral(old, 'data'), neutral(new, 'data')
    wrong = [name for name in sorted(set(data[0]) | set(data[1])) if data[0].get(name) != data[1].get(name)]
    yield 'data', 'the hashes differ: ' + ', '.join(wrong) if wrong else ''
    yield 'config', '' if neutral(old, 'config') == neutral(new, 'config') else 'it differs'


def running(code: Mapping[str, Any]) -> str:
    """The files that ran: by their hash, which is the same for a commit wherever it is checked out."""
    return 'files {}'.format(code['sha256'][:12]) if code.get('sha256') else str(code)


def neutral(passport: Mapping[str, Any], what: str) -> Any:
    """The resolved config, or the data, with short paths and without the folder that a replay changes."""
    own = [passport['folder'], shortened(passport['folder'], passport)]
    places = [('', own[0])] + roots_of_before(passport) + [('', own[1])]
    return _renamed(passport[what], [(folder, '.' if kind in ('', 'code') else kind)
                                     for kind, folder in places if folder])


def _renamed(value: Any, places: Sequence[Tuple[str, str]]) -> Any:
    """``value`` of JSON with one name of a folder in the place of another, wherever a text holds it."""
    if isinstance(value, str):
        for folder, name in places:
            value = value.replace(folder, name)
    elif isinstance(value, dict):
        return {_renamed(key, places): _renamed(item, places) for key, item in value.items()}
    elif isinstance(value, list):
        return [_renamed(item, places) for item in value]
    return value


def compare(old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float = 0.0) -> Tuple[List[str], bool]:
    """(lines to read, whether the replay confirms the run)."""
    lines = ['{} of {} against {}'.format(new['kind'], old['started'], new['started'])]
    around = list(surroundings(old, new))
    lines.append('  the same   ' + ', '.join(what for what, says in around if not says))
    lines += [f'  differs    {what}: {says}' for what, says in around if says]
    # With other data it is another run, whatever came of it.
    good = new['status'] == 'complete' and not dict(around)['data']
    lines += [] if new['status'] == 'complete' else ['  NOT DONE   the replay is {}'.format(new['status'])]
    first, second = flat(old['metrics'] or {}), flat(new['metrics'] or {})
    wrong = [
        name for name in sorted(set(first) | set(second)) if not close(first.get(name), second.get(name), tolerance)
    ]
    lines.append('  metrics    {} of {} {}'.format(
        len(set(first) | set(second)) - len(wrong), len(set(first) | set(second)),
        'equal' if not tolerance else f'within {tolerance}'))
    lines += [f'  DIFFERS    {name}: {first.get(name)} -> {second.get(name)}' for name in wrong[:10]]
    weights = old.get('weights'), new.get('weights')
    if all(weights):
        lines.append('  weights    ' + ('equal, bit for bit' if weights[0] == weights[1] else 'differ'))
        good = good and (weights[0] == weights[1] or bool(tolerance))
    return lines, good and not wrong and bool(first or all(weights))


def close(one: Optional[float], other: Optional[float], tolerance: float) -> bool:
    """Whether two numbers agree: exactly, or relative to the larger one."""
    if one is None or other is None:
        return one is other
    try:
        near = abs(one - other) <= tolerance * max(abs(one), abs(other))
    except OverflowError:  # a whole number beyond every float
        near = False
    return one == other or near or (one != one and other != other)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Compare two passports; exit code 1 when the second does not confirm the first."""
    parser = argparse.ArgumentParser(prog='python3 -m mtp.launch.replay', description=main.__doc__)
    parser.add_argument('old')
    parser.add_argument('new')
    parser.add_argument('--tolerance', type=numbers.length, default=0.0,
                        help='relative; then the weights need not be equal')
    options = parser.parse_args(argv)
    old, new = (passports.read(path) for path in (options.old, options.new))
    foreign.facts(old, options.old)
    foreign.facts(new, options.new)
    lines, good = compare(old, new, options.tolerance)
    sys.stdout.write('\n'.join(shown(line, 2000) for line in lines + ['confirmed' if good else 'NOT CONFIRMED']) + '\n')
    return OK if good else FAILED


if __name__ == '__main__':
    run_main(main)
