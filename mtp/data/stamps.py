"""Output folders that know whether they are whole: never overwritten by mistake, continued after a kill."""
import os
import shutil

from mtp.data import text
from mtp.errors import MTPError
from mtp.files import write_text

NAME = 'made_by_mtp.txt'


def begin(folder, mark: str, options) -> bool:
    """Whether there is work to do in ``folder``.

    Args:
        folder: output folder; it must be new, empty, or made by a converter of ours.
        mark: fingerprint of inputs and settings (:func:`mtp.data.converting.fingerprint`).
        options: parsed ``--overwrite`` and ``--dry-run``; with the first a folder of ours is emptied.

    Returns:
        False when the folder is complete and was made from the same inputs. True otherwise: files that are there
        already come from the same inputs, and need not be made again.

    Raises:
        MTPError: the folder is not ours, or was made from other inputs.
    """
    stamp = os.path.join(folder, NAME)
    state, found = 'none', ''
    if os.path.isfile(stamp):
        state, _, found = text.read_lines(stamp)[0].partition(' ')
    elif os.path.isdir(folder) and os.listdir(folder):
        raise MTPError('{} is there already and was not made by this converter'.format(folder),
                       hint='move it away, or choose another --out')
    if state == 'complete' and found == mark and not options.overwrite:
        return False
    if state != 'none' and found != mark and not (options.overwrite or options.dry_run):
        raise MTPError('{} was made from other files or with other settings'.format(folder),
                       hint='add --overwrite to make it anew')
    if not options.dry_run:
        if state != 'none' and options.overwrite:
            shutil.rmtree(folder)
        write_text(stamp, 'making {}\n'.format(mark))
    return True


def complete(folder, mark: str) -> None:
    """Declare ``folder`` whole."""
    write_text(os.path.join(folder, NAME), 'complete {}\n'.format(mark))
