"""What is trained on and what it is judged by: as the folder says, else a seeded draw; and images that are in both."""
import hashlib
import os
import random
import shlex
from typing import Dict, List, Sequence, Tuple

from mtp import files
from mtp.data.converting import natural
from mtp.errors import MTPError
from mtp.own.folder import Folder
from mtp.own.records import Record

SHARE = 20  # per cent of the images that are kept for judging
RETILE = 'gdal_retile.py -ps 4096 4096 -targetDir parts {}'


def twins(folder: Folder, names: Sequence[str]) -> Dict[str, str]:
    """{name: sha256} of files that have the size of another one: only these can be equal."""
    sizes: Dict[int, List[str]] = {}
    for name in names:
        sizes.setdefault(os.path.getsize(folder.path(name)), []).append(name)
    return {name: files.sha256(folder.path(name)) for group in sizes.values() if len(group) > 1 for name in group}


def settle(folder: Folder, records: Sequence[Record], seed: int) -> Tuple[List[Record], str]:
    """The records, each with a part, and a sentence that says how they came to it.

    Args:
        folder: that they lie in.
        records: with labels.
        seed: of the draw.

    Raises:
        MTPError: some have a part and others none, or there is nothing to train on.
    """
    said = {record.part for record in records}
    if said == {''}:
        return _drawn(folder, records, seed)
    alone = [record for record in records if not record.part]
    if alone:
        raise MTPError('{} and {} more lie in no part, and others do ({})'.format(
            folder.path(alone[0].image), len(alone) - 1, ', '.join(sorted(said - {''}))),
            hint='move them below train, val or test')
    if 'train' not in said:
        raise MTPError('{} has {} with labels and nothing to train on'.format(
            folder.root, ' and '.join(sorted(said))), hint='move some of it below a folder train')
    if said == {'train'}:
        records, told = _drawn(folder, [record._replace(part='') for record in records], seed)
        return records, 'all lies in train: ' + told
    return list(records), 'as the folder says'


def _drawn(folder: Folder, records: Sequence[Record], seed: int) -> Tuple[List[Record], str]:
    """Parts by a shuffle within each class of images; equal images stay together."""
    same = twins(folder, [record.image for record in records])
    groups: Dict[str, Dict[str, List[Record]]] = {}
    for record in sorted(records, key=lambda each: natural(each.image)):
        groups.setdefault(record.kind, {}).setdefault(same.get(record.image, record.image), []).append(record)
    chosen = []
    for members in groups.values():
        keys = list(members)
        count = max(len(keys) * SHARE // 100, 1 if len(keys) > 1 else 0)
        held = set(random.Random(seed).sample(keys, count))
        chosen += [record._replace(part='val' if key in held else 'train') for key in keys for record in members[key]]
    if not any(record.part == 'val' for record in chosen):
        raise MTPError('{} has one image with labels ({}), so nothing is left to judge by'.format(
            folder.root, records[0].image), hint=RETILE.format(shlex.quote(folder.path(records[0].image))))
    return (sorted(chosen, key=lambda each: natural(each.image)),
            f'drawn: {SHARE} in 100 images to judge by, seed {seed}')


def leaks(folder: Folder, records: Sequence[Record]) -> List[Tuple[Record, Record]]:
    """Pairs of records of different parts whose images are the same, byte by byte."""
    same, first, found = twins(folder, [record.image for record in records]), {}, []
    for record in records:
        other = first.setdefault(same.get(record.image, record.image), record)
        if other.part != record.part:
            found.append((other, record))
    return found


def table(records: Sequence[Record]) -> str:
    """The split as a table to keep: image and part."""
    rows = ['"{}",{}'.format(record.image.replace('"', '""'), record.part) for record in records]
    return 'image,part\n' + ''.join(row + '\n' for row in rows)


def digest(records: Sequence[Record]) -> str:
    """Hash of the split."""
    return hashlib.sha256(table(records).encode('utf-8', 'surrogateescape')).hexdigest()
