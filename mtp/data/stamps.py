"""Output folders that know whether they are whole: never overwritten by mistake, continued after a kill."""
import contextlib
import os
import sys
from typing import Any, Collection, Iterator, Mapping

from mtp import locks, ownership
from mtp.data import text
from mtp.data.converting import Options
from mtp.errors import MTPError
from mtp.files import PathLike

BEFORE = 'made_by_mtp.txt'  # what earlier versions left; it does not say what they made


class Filling:
    """What :func:`filling` gives.

    Attributes:
        needed: whether there is work to do; False when the folder is complete and was made from the same inputs.
        whole: set it to False when something was left out: then the folder is not declared complete.
    """

    def __init__(self, needed: bool) -> None:
        self.needed, self.whole = needed, True


def needed(folder: PathLike, verb: str, mark: str, options: Options) -> bool:
    """Whether there is work to do in ``folder``; nothing is written.

    Args:
        folder: output folder; it must be new, empty, or made by the same converter.
        verb: of the converter, as :mod:`mtp.ownership` keeps it.
        mark: fingerprint of inputs and settings (:func:`mtp.data.converting.fingerprint`).
        options: parsed ``--overwrite`` and ``--dry-run``.

    Returns:
        False when the folder is complete and was made from the same inputs.

    Raises:
        MTPError: the folder is not ours, or is complete and was made from other inputs.
    """
    if _complete_before(folder, mark) and not options.overwrite:
        return False
    there = ownership.check(folder, verb)
    complete, same = there.get('state') == 'complete', there.get('fingerprint') == mark
    if complete and same and not options.overwrite:
        return False
    if complete and not same and not (options.overwrite or options.dry_run):
        raise MTPError(f'{folder} was made from other files or with other settings',
                       hint='add --overwrite to make it anew')
    return True


@contextlib.contextmanager
def filling(folder: PathLike, verb: str, mark: str, made: Collection[str], options: Options) -> Iterator[Filling]:
    """Give a :class:`Filling`; where there is work, the folder is marked and locked meanwhile, and complete at the end.

    What we made there is removed first with ``--overwrite``, and where a run was stopped and its inputs have changed
    since, perhaps because it found one of them damaged. So files of ours that are there come from the same inputs, and
    need not be made again. What others put there stays.

    Args:
        made: patterns of what will be put there; see :func:`mtp.ownership.claim`.
        folder, verb, mark, options: see :func:`needed`, which also says what is raised.
    """
    work = Filling(needed(folder, verb, mark, options))
    if not work.needed or options.dry_run:
        yield work
        return
    with locks.hold(folder, verb):
        there = ownership.check(folder, verb)
        if there and (options.overwrite or there['fingerprint'] != mark):
            _empty(folder, there)
        ownership.claim(folder, verb, made, mark, state='making')
        yield work
        if work.whole:
            ownership.put(folder, dict(ownership.read(folder), state='complete'))


def _empty(folder: PathLike, there: Mapping[str, Any]) -> None:
    ownership.put(folder, dict(there, state='making', fingerprint=''))  # killed half way, it is not complete
    left = ownership.clear(folder)
    if left:
        sys.stderr.write(f'{folder}: left alone, since it was not made here: {ownership.some(left)}\n')


def _complete_before(folder: PathLike, mark: str) -> bool:
    """Whether an earlier version made the folder from the same inputs."""
    path = os.path.join(folder, BEFORE)
    return os.path.isfile(path) and text.read_lines(path)[0] == 'complete ' + mark
