"""Output folders that know whether they are whole: never overwritten by mistake, continued after a kill."""
import os
import shutil

from mtp.data import text
from mtp.errors import MTPError
from mtp.files import write_text

NAME = 'made_by_mtp.txt'


def needed(folder, mark: str, options) -> bool:
    """Whether there is work to do in ``folder``; nothing is written.

    Args:
        folder: output folder; it must be new, empty, or made by a converter of ours.
        mark: fingerprint of inputs and settings (:func:`mtp.data.converting.fingerprint`).
        options: parsed ``--overwrite`` and ``--dry-run``.

    Returns:
        False when the folder is complete and was made from the same inputs.

    Raises:
        MTPError: the folder is not ours, or is complete and was made from other inputs.
    """
    state, found = _read(folder)
    if state == 'complete' and found == mark and not options.overwrite:
        return False
    if state == 'complete' and found != mark and not (options.overwrite or options.dry_run):
        raise MTPError('{} was made from other files or with other settings'.format(folder),
                       hint='add --overwrite to make it anew')
    return True


def begin(folder, mark: str, options) -> bool:
    """As :func:`needed`; where there is work, the folder is marked as being made.

    It is emptied first with ``--overwrite``, and where a run was stopped and its inputs have changed since, perhaps
    because it found one of them damaged. So files that are there come from the same inputs, and need not be made again.
    """
    if not needed(folder, mark, options):
        return False
    if not options.dry_run:
        state, found = _read(folder)
        if state != 'none' and (options.overwrite or found != mark):
            _empty(folder)
        write_text(os.path.join(folder, NAME), 'making {}\n'.format(mark))
    return True


def _empty(folder):
    """Remove what is in ``folder`` but its stamp: killed half way, the folder is still known as ours."""
    write_text(os.path.join(folder, NAME), 'making \n')
    for entry in os.scandir(folder):
        if entry.name == NAME:
            continue
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def _read(folder):
    """('none' | 'making' | 'complete', mark) of a folder; MTPError when it is not ours."""
    stamp = os.path.join(folder, NAME)
    if os.path.isfile(stamp):
        state, _, found = text.read_lines(stamp)[0].partition(' ')
        return ('making' if state == 'making' else 'complete'), found
    if os.path.isdir(folder) and os.listdir(folder):
        raise MTPError('{} is there already and was not made by this converter'.format(folder),
                       hint='move it away, or choose another --out')
    return 'none', ''


def complete(folder, mark: str) -> None:
    """Declare ``folder`` whole."""
    write_text(os.path.join(folder, NAME), 'complete {}\n'.format(mark))
