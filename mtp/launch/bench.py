"""``make bench``: every benchmark below ``ci/bench`` in turn, and the table of what they found.

A benchmark is a program there that says ``__main__``; what it prints last is its result. Its output is kept below
``work_dirs/bench``.
"""
import glob
import os
import subprocess
import sys
import time
from typing import Iterable, List, NamedTuple

from mtp.errors import FAILED, NOT_YET, OK, MTPError, run_main
from mtp.files import write_text
from mtp.launch import execute, ledger
from mtp.launch.runtimes import native
from mtp.launch.settings import from_environ

Result = NamedTuple('Result', [('name', str), ('code', int), ('seconds', float), ('says', str)])


def programs(root: str) -> List[str]:
    """Paths of the benchmarks, relative to the checkout; helpers beside them are left out."""
    found = []
    for path in sorted(glob.glob(os.path.join(root, 'ci', 'bench', '*.py'))):
        with open(path, encoding='utf-8') as stream:
            if '__main__' in stream.read():
                found.append(os.path.relpath(path, root).replace(os.sep, '/'))
    return found


def need(root: str) -> List[str]:
    """The benchmarks, or the error that there are none yet."""
    found = programs(root)
    if not found:
        raise MTPError('not yet: there is no benchmark below ci/bench', code=NOT_YET)
    return found


def measure(python: str, path: str, root: str, folder: str) -> Result:
    """Run one benchmark, show and keep what it prints; returns its :class:`Result`."""
    name = os.path.basename(path)[:-3]
    log, start, said = os.path.join(folder, name + '.txt'), time.monotonic(), []
    os.makedirs(folder, exist_ok=True)
    child = subprocess.Popen([python, path], cwd=root, env=dict(os.environ, PYTHONPATH=root, PYTHONUNBUFFERED='1'),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             encoding='utf-8', errors='replace', preexec_fn=execute.tied(15))
    try:
        with open(log, 'w', encoding='utf-8') as stream:
            for line in child.stdout or ():
                sys.stdout.write('  ' + line)
                sys.stdout.flush()
                stream.write(line)
                said += [line.strip()] if line.strip() else []
        code = child.wait()
    except BaseException:
        child.terminate()
        child.wait()
        raise
    return Result(name, code, time.monotonic() - start, said[-1] if said else '')


def table(results: Iterable[Result], standing: str = '') -> str:
    """Markdown table of the results, below what has to be said of them."""
    lines = ([standing, ''] if standing else []) + ['| benchmark | result | seconds |', '|---|---|---|']
    for each in results:
        said = each.says.replace('|', '\\|') if each.code == 0 else f'FAILED with exit code {each.code}'
        lines.append(f'| {each.name} | {said} | {each.seconds:.0f} |')
    return '\n'.join(lines) + '\n'


def main() -> int:
    """Run the benchmarks, all or those whose names ARGS holds; write the table; exit code 1 when one fails."""
    settings = from_environ(os.environ)
    paths = need(ledger.ROOT)
    names = [os.path.basename(path)[:-3] for path in paths]
    unknown = [name for name in settings.args if name not in names]
    if unknown:
        raise MTPError('there is no benchmark {!r}; there are {}'.format(unknown[0], ', '.join(names)))
    env = settings.env or ledger.serving('tools')[0]
    python, standing = native.python(settings, env), ledger.standing(env)
    folder = os.path.join(ledger.ROOT, settings.work_root, 'bench')
    results = []
    for name, path in zip(names, paths):
        if not settings.args or name in settings.args:
            sys.stdout.write(f'[{name}]\n')
            results.append(measure(os.path.join(ledger.ROOT, python), path, ledger.ROOT, folder))
            # after each: a stopped run keeps what it has
            write_text(os.path.join(folder, 'table.md'), table(results, standing))
    said = table(results, standing)
    sys.stdout.write('\n{}\nwritten to {}\n'.format(said, os.path.join(folder, 'table.md')))
    return FAILED if any(each.code for each in results) else OK


if __name__ == '__main__':
    run_main(main)
