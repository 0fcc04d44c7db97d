"""How much of a checkpoint has to fit before it is taken for one of this network."""
from collections import OrderedDict
from typing import Iterable, Sequence

from mtp.errors import MTPError
from mtp.terminal import shown

# An MAE file fills a little over half of an RVSA backbone (the rest are tables and offsets that it has not), and every
# published file has a place for nearly all of its own part. Another network shares a handful of names.
OF_THE_FILE, OF_THE_MODEL = 1 / 2, 1 / 3
# What the two published backbones call their parts; a file with other names is of another network.
PARTS = ('blocks', 'levels', 'patch_embed', 'pos_embed', 'cls_token', 'norm', 'fpn1', 'fpn2', 'fpn3', 'fpn4')


def families(keys: Iterable[str]) -> str:
    """Keys in short: numbers become ``*``, equal ones are counted."""
    counts = OrderedDict()
    for key in keys:
        name = '.'.join('*' if part.isdigit() else part for part in key.split('.'))
        counts[name] = counts.get(name, 0) + 1
    return ', '.join(shown(name) if n == 1 else f'{shown(name)} ({n})' for name, n in counts.items())


def enough(path: str, fitting: int, found: Sequence[str], wanted: Sequence[str], model: str, how: str) -> None:
    """Refuse a file of which too little fits, naming both networks.

    Args:
        path: the file.
        fitting: number of its tensors that fit.
        found: names in the part of the file that is loaded.
        wanted: names in the part of the model that is filled.
        model: what the model is called.
        how: what to add for those who mean it.

    Raises:
        MTPError: less than half of the file's, or a third of the model's tensors fit.
    """
    if fitting >= OF_THE_FILE * len(found) and fitting >= OF_THE_MODEL * len(wanted):
        return
    raise MTPError(
        '{}: {} of its {} tensors fit {}, which has {}: it is of another network. The file has {}; the model has '
        '{}'.format(path, fitting, len(found), model, len(wanted), _start(found), _start(wanted)),
        hint='take the checkpoint of this network (python -m mtp.checkpoints inspect {}), or, when so little is meant, '
        'add {}'.format(path, how))


def known(path: str, keys: Iterable[str]) -> None:
    """Refuse to convert a backbone whose names are not those of RVSA or InternImage.

    Raises:
        MTPError: less than half of ``keys``, which are bare, begin with a part of one of them.
    """
    keys = list(keys)
    fitting = sum(key.partition('.')[0] in PARTS for key in keys)
    if fitting < OF_THE_FILE * len(keys):
        raise MTPError('{}: {} of the {} tensors of its backbone have names of RVSA or InternImage ({} ...): it is of '
                       'another network. It has {}'.format(
                           path, fitting, len(keys), ', '.join(PARTS[:4]), _start(keys)),
                       hint='convert a checkpoint of these, or, when it is meant, add --partial')


def _start(keys: Iterable[str], limit: int = 6) -> str:
    names = families(keys).split(', ')
    return ', '.join(names[:limit]) + (' ...' if len(names) > limit else '')
