"""What is most often wrong with the data of a training, said before its first step, in both environments.

Left to the toolboxes, these end as an index out of range, a division by zero or a missing file in a loader process.
"""
import os
import shlex
from typing import Any, Callable, Dict, Iterable, Iterator, Mapping, Optional, Sequence, Tuple

from mtp.data.images import as_there
from mtp.errors import MTPError

LOOKED_AT = 1000  # images of a data set whose files are looked for, spread over it
NEIGHBOURS = ('.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp')


def classes(datasets: Iterable[Mapping[str, Any]]) -> None:
    """Refuse ``classes=('ship')``, which is a text and no tuple, in the configs of data sets.

    Raises:
        MTPError: classes are a text that names no file.
    """
    for dataset in datasets:
        said = (dataset.get('metainfo') or {}).get('classes', dataset.get('classes'))
        if isinstance(said, str) and not os.path.isfile(said):
            raise MTPError('classes of {} is the text {!r}, not a tuple of names; a comma is missing'.format(
                dataset.get('type'), said), hint=f"write classes=({said!r},) in the config, and start the same command "
                                                 "again")


def heads(model: Any, where: str = 'model') -> Iterator[Tuple[str, Dict[str, Any]]]:
    """(path in the config, node) of every part of ``model`` that tells classes apart; a proposal head tells none."""
    if isinstance(model, dict):
        if isinstance(model.get('num_classes'), int) and 'RPN' not in str(model.get('type')):
            yield where, model
        parts: Iterable[Tuple[Any, Any]] = model.items()
    elif isinstance(model, (list, tuple)):
        parts = enumerate(model)
    else:
        return
    for key, part in parts:
        yield from heads(part, f'{where}.{key}')


def network(model: Any, names: Optional[Sequence[str]]) -> None:
    """Refuse a network that tells apart another number of classes than the data set has.

    Args:
        model: its config.
        names: classes of the data set; None or empty where it does not say.
    """
    if not names:
        return
    for where, head in heads(model):
        if head['num_classes'] != len(names):
            raise MTPError('{}.num_classes is {}, and the data set has {} class{}: {}'.format(
                where, head['num_classes'], len(names), '' if len(names) == 1 else 'es', _some(names)),
                hint=f'--cfg-options {where}.num_classes={len(names)}')


def images(count: int, path_of: Callable[[int], str], labels: str, suffix_option: str = '') -> None:
    """Refuse a training set without an image to train on, or whose images are not there.

    Args:
        count: how many there are after filtering.
        path_of: function of a position to the path of its image.
        labels: where the labels lie, for the message.
        suffix_option: option that names another suffix of images: ``train_dataloader.dataset.img_suffix``.

    Raises:
        MTPError: none is left, or a file is missing; a neighbour of another suffix is named.
    """
    if not count:
        raise MTPError('no image is left to train on: the labels in {} hold no object of the classes of the data '
                       'set'.format(labels), hint='ls -l {} | head'.format(shlex.quote(labels)))
    for position in range(0, count, max(1, count // LOOKED_AT)):
        path = as_there(path_of(position))
        if not os.path.isfile(path):
            raise _missing(path, suffix_option)


def _missing(path: str, suffix_option: str) -> MTPError:
    stem, wanted = os.path.splitext(path)
    there = [suffix for suffix in NEIGHBOURS if suffix != wanted and os.path.isfile(stem + suffix)]
    if not there:
        return MTPError(f'the image {path} is missing, and its labels are there',
                        hint=f'ls {shlex.quote(os.path.dirname(path))} | head')
    hint = f'--cfg-options {suffix_option}={there[0][1:]}' if suffix_option else (
        'tiles of this environment are .png: cut them again, python -m mtp.tiles.cut --help')
    return MTPError('the image {} is missing; {} is there, and images of type {} are expected'.format(
        path, os.path.basename(stem) + there[0], wanted), hint=hint)


def _some(names: Iterable[str]) -> str:
    names = list(map(str, names))
    return ', '.join(names[:4]) + (', …' if len(names) > 4 else '')
