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
        MTPError: the folder is not ours, or was made from other inputs.
    """
    state, found = _read(folder)
    if state == 'complete' and found == mark and not options.overwrite:
        return False
    if state != 'none' and found != mark and not (options.overwrite or options.dry_run):
        raise MTPError('{} was made from other files or with other settings'.format(folder),
                       hint='add --overwrite to make it anew')
    return True


def begin(folder, mark: str, options) -> bool:
    """As :func:`needed`; where there is work, the folder is marked as being made (with ``--overwrite`` emptied first).

    Files that are there already then come from the same inputs, and need not be made again.
    """
    if not needed(folder, mark, options):
        return False
    if not options.dry_run:
        if options.overwrite and os.path.isdir(folder):
            shutil.rmtree(folder)
        write_text(os.path.join(folder, NAME), 'making {}\n'.format(mark))
    return True


def _read(folder):
    """('none' | 'making' | 'complete', mark) of a folder; MTPError when it is not ours."""
    stamp = os.path.join(folder, NAME)
    if os.path.isfile(stamp):
        state, _, found = text.read_lines(stamp)[0].partition(' ')
        return state, found
    if os.path.isdir(folder) and os.listdir(folder):
        raise MTPError('{} is there already and was not made by this converter'.format(folder),
                       hint='move it away, or choose another --out')
    return 'none', ''


def complete(folder, mark: str) -> None:
    """Declare ``folder`` whole."""
    write_text(os.path.join(folder, NAME), 'complete {}\n'.format(mark))
