"""What all converters share: options, order, many processes, refusing to overwrite, the report."""
import argparse
import contextlib
import hashlib
import json
import os
import re
import shlex
from concurrent.futures.process import BrokenProcessPool
from typing import (Any, Callable, Dict, Generator, Iterable, Iterator, List, Mapping, Optional, Protocol, Sequence,
                    Tuple, TypeVar, cast)

from mtp import faults, locks, numbers, ownership, paths, workers
from mtp.data import images, text
from mtp.errors import FAILED, OK, MTPError
from mtp.files import PathLike, write_json
from mtp.progress import Progress

FEW = 64  # fewer items than this are not worth starting processes for

Item = TypeVar('Item')
Result = TypeVar('Result')


class Options(Protocol):
    """What :func:`add_options` adds, as far as every converter has it."""

    jobs: int
    dry_run: bool
    overwrite: bool


def add_options(parser: argparse.ArgumentParser, strict: bool = True) -> None:
    """Add the options that every converter understands."""
    parser.add_argument('--jobs', type=numbers.count, default=min(8, os.cpu_count() or 1),
                        help='processes (default: %(default)s)')
    parser.add_argument('--dry-run', action='store_true', help='check and count, write nothing')
    parser.add_argument('--overwrite', action='store_true', help='replace existing output')
    parser.add_argument('--report', metavar='FILE', type=ownership.json_file('counts', 'problems'),
                        help='write counts and problems to FILE as JSON')
    if strict:
        parser.add_argument('--lenient', action='store_true',
                            help='leave out what cannot be read, report it and end with code 1 (default: stop)')


def natural(name: str) -> List[Tuple[int, int, str]]:
    """Sort key that puts 2.png before 10.png."""
    parts = re.split('([0-9]+)', str(name))  # text and digits in turn
    return [(0, int(part), part) if place % 2 else (1, 0, part) for place, part in enumerate(parts)]


def listing(folder: PathLike, suffix: str) -> List[str]:
    """Names in ``folder`` that end with ``suffix``, in natural order; hidden files (``._x`` of macOS) are left out.

    Capitals make no difference: cameras and Windows write ``.PNG``.

    Raises:
        MTPError: there is no such folder.
    """
    try:
        entries = os.listdir(folder)
    except OSError as error:
        raise MTPError(f'cannot list {folder}: {error.strerror}') from None
    ending = suffix.lower()
    return sorted((name for name in entries if name.lower().endswith(ending) and not name.startswith('.')), key=natural)


def paths_by_stem(folder: PathLike, suffix: str) -> Dict[str, str]:
    """``{stem: path}`` of :func:`listing`; stems in :func:`mtp.data.images.one_form`, paths as they are.

    Raises:
        MTPError: no such folder, or two files of one stem (``a.png`` and ``a.PNG``).
    """
    found = {}
    for name in listing(folder, suffix):
        stem = images.one_form(name[:len(name) - len(suffix)])
        if stem in found:
            raise MTPError(f'{found[stem]} and {os.path.join(folder, name)} are one and the same',
                           hint='keep one of them')
        found[stem] = os.path.join(folder, name)
    return found


def stems(path: PathLike) -> List[str]:
    """Lines of a split list: one image stem each in :func:`mtp.data.images.one_form`, blanks and CR removed, empty
    lines skipped.

    Raises:
        MTPError: the file is missing, not text, empty, names a stem twice or something that is no plain name.
    """
    lines = [images.one_form(line.strip()) for line in text.read_lines(path)]
    seen = {}
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        if '/' in line or '\\' in line or '\0' in line or line in ('.', '..'):
            raise MTPError(f'{path}: line {number}: {line!r} is not an image stem')
        if line in seen:
            raise MTPError(f'{path}: line {number}: {line!r} is there already, on line {seen[line]}')
        seen[line] = number
    if not seen:
        raise MTPError(f'the list {path} is empty')
    return list(seen)


def share_of(total: int, part: int, whole: int) -> int:
    """``part`` of ``whole``, in proportion of ``total``, leaving at least one on each side where there are two."""
    return max(1, min(total - 1, round(total * part / whole))) if total > 1 else total


def refuse_existing(paths: Sequence[str], options: Options, is_ours: Callable[[str], bool]) -> None:
    """Stop before any work when an output is there already and is not ours, or ``--overwrite`` was not given."""
    existing = [path for path in paths if os.path.lexists(path)]
    foreign = [path for path in existing if not is_ours(path)]
    if foreign:
        raise MTPError(f'{foreign[0]} exists already, and was not written by this command: it is left alone',
                       hint='give another --out, or move it away: mv {0} {0}.mine'.format(shlex.quote(foreign[0])))
    if existing and not (options.overwrite or options.dry_run):
        raise MTPError(f'{existing[0]} exists already', hint='add --overwrite to make it anew')


@contextlib.contextmanager
def alone(path: str, options: Options) -> Iterator[None]:
    """Hold the lock of one output file, where one is written."""
    with contextlib.ExitStack() as stack:
        if not options.dry_run:
            stack.enter_context(locks.hold_file(path, 'data'))
        yield


class Guarded:
    """Calls a function in a worker; its MTPError comes back as a value, so that a lenient run can go on."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    def __call__(self, item: Any) -> Tuple[Any, Optional[MTPError]]:
        try:
            with faults.explained():
                return self.function(item), None
        except MTPError as error:
            return None, error


def run(function: Callable[[Item], Result], items: Sequence[Item], options: Options, label: str,
        problems: List[str]) -> Iterator[Result]:
    """Yield ``function(item)`` in order, from several processes where that pays.

    Args:
        function: picklable; raises MTPError for a bad item.
        items: what to work on.
        options: parsed ``--jobs`` and ``--lenient``.
        label: shown with the progress.
        problems: in a lenient run, messages of the items left out are appended to it.

    Raises:
        MTPError: of the first bad item, unless lenient; the machine is at a limit.
    """
    guarded = Guarded(function)
    progress = Progress(label, len(items))
    jobs = max(1, options.jobs)
    pool = None if jobs == 1 or len(items) < FEW else workers.Pool(jobs)
    results = (guarded(item) for item in items) if pool is None else cast('Generator[Any, None, None]', pool.map(
        guarded, items, chunksize=max(1, min(64, len(items) // (4 * jobs)))))
    try:
        for result, error in results:
            progress.update()
            if error is None:
                yield result
            elif getattr(options, 'lenient', False) and not isinstance(error, faults.MachineError):
                problems.append(str(error))
            else:
                lenient = 'mend it, or leave such items out with --lenient' if hasattr(options, 'lenient') else ''
                raise MTPError(error.args[0], hint=error.hint or lenient, code=FAILED)
        progress.close()
    except BrokenProcessPool:
        raise MTPError(f'{label}: a worker process died, perhaps for want of memory',
                       hint='the same command with --jobs 1', code=FAILED) from None
    finally:
        results.close()  # what has not begun is not begun after an error
        if pool is not None:
            pool.shutdown()


def fingerprint(settings: object, files: Iterable[str]) -> str:
    """Hash of the settings and of name, size and time of every input file: equal means nothing to do.

    Names below MTP_DATA_ROOT are taken relative to it: a container sees the same files under another root.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    root = os.path.join(paths.root('data'), '')
    for path in files:
        try:
            status = os.stat(path)
        except OSError:
            continue
        name = path[len(root):] if path.startswith(root) else path
        digest.update(f'{name}\0{status.st_size}\0{status.st_mtime_ns}\n'.encode())
    return digest.hexdigest()


def finish(counts: Mapping[str, Any], problems: Sequence[str], options: argparse.Namespace) -> int:
    """Write the report where one is wanted, print the problems; the exit code."""
    if options.report:
        write_json(options.report, {'counts': counts, 'problems': problems})
    for problem in problems[:20]:
        print('problem: ' + problem)
    if len(problems) > 20:
        print(f'... and {len(problems) - 20} more; --report FILE lists them all')
    return FAILED if problems else OK
