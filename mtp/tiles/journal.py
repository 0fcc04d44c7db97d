"""What a cut folder holds: one line for each finished image, checked against its tiles and against what it was cut
from.

``OUT/cut.jsonl`` has for each image its size, its counts, the state of image and label file when they were read, and
the bytes of every tile. So an image is cut again when it or its labels have changed, or when a tile is missing or
truncated. A line has its own check sum: one that is damaged counts as none.
"""
import contextlib
import json
import os
import sys
import zlib
from typing import Any, Collection, Dict, List, Mapping, Optional, Tuple

from mtp import files, ownership
from mtp.data import text
from mtp.errors import MTPError

from .windows import parse_tile_id, preset, tile_id, window_positions

NAME = 'cut.jsonl'
VERB = 'cut'
FOLDERS = (('images', '.png'), ('annfiles', '.txt'))
#: What a reader may rely on in a line.
_KEYS = {'image': str, 'width': int, 'height': int, 'tiles': int, 'objects': int, 'placed': int, 'source': list,
         'label': str, 'bytes': list}


def state_of(image: str, label: str) -> Dict[str, Any]:
    """What tells a changed input: size and time of the image, and the content of its label file, a small text."""
    status = os.stat(image)
    digest = zlib.crc32(text.read_bytes(label)) if label else 0
    return {'source': [status.st_size, status.st_mtime_ns], 'label': f'{digest:08x}' if label else ''}


def tile_files(stem: str, width: int, height: int, preset_name: str) -> List[str]:
    """Paths, relative to the folder, of all tiles of an image: pictures first, then their texts."""
    tiles = [tile_id(stem, window) for window in window_positions(width, height, preset(preset_name))]
    return [f'{folder}/{tile}{suffix}' for folder, suffix in FOLDERS for tile in tiles]


class Journal:
    """The journal of the folder ``out``, whose lock is held.

    Args:
        out: folder of tiles.
        preset_name, labelled: settings; a folder has one of each.
        found: ids of all images that are to be cut.

    Attributes:
        done: rows of the images that need not be cut again, by id.

    Raises:
        MTPError: the folder is not one of tiles, or was cut with other settings, or from other images.
    """

    def __init__(self, out: str, preset_name: str, labelled: bool, found: Collection[str]) -> None:
        self.out, self.preset, self.path = out, preset_name, os.path.join(out, NAME)
        mark = check(out, preset_name, labelled)
        self.done = self._read()
        strange = sorted(set(self.done) - set(found))
        if strange:
            raise MTPError('{} holds tiles of {} images that are not there any more: {}'.format(
                out, len(strange), ownership.some(strange)), hint='add --overwrite to cut anew')
        before = set(mark.get('begun', ()))
        ownership.claim(out, VERB, [NAME] + ['{}/*__*__*___*{}'.format(*pair) for pair in FOLDERS], preset=preset_name,
                        labelled=labelled, begun=sorted(before | set(found)))
        for folder, _ in FOLDERS:
            os.makedirs(os.path.join(out, folder), exist_ok=True)
        remove(out, before - set(found))  # a run was stopped at an image that has gone since

    def keep(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Forget images that have changed, or whose tiles are not whole. ``states``: :func:`state_of` by id."""
        there = _sizes(self.out)
        changed = [stem for stem, row in self.done.items() if any(row[key] != states[stem][key]
                                                                  for key in states[stem])]
        broken = [stem for stem, row in self.done.items() if stem not in changed and not self._whole(row, there)]
        for stems, what in ((changed, 'changed since they were cut'), (broken, 'tiles that are missing or truncated')):
            if stems:
                sys.stderr.write('warning: {}: {} images have {} and are cut again: {}\n'.format(
                    self.out, len(stems), what, ownership.some(stems)))
        if changed or broken:
            for stem in changed + broken:
                del self.done[stem]
            files.write_text(self.path, ''.join(map(_line, self.done.values())))
            remove(self.out, set(changed))  # an image of another size has other tiles

    def add(self, row: Dict[str, Any]) -> None:
        """An image is finished."""
        with open(self.path, 'a', encoding='utf-8') as stream:
            stream.write(_line(row))
        self.done[row['image']] = row

    def _whole(self, row: Mapping[str, Any], there: Mapping[str, int]) -> bool:
        names = tile_files(row['image'], row['width'], row['height'], self.preset)
        return [there.get(name) for name in names] == row['bytes']

    def _read(self) -> Dict[str, Dict[str, Any]]:
        """Rows by image; lines that are not whole, or were being written when a run was killed, are dropped."""
        if not os.path.exists(self.path):
            return {}
        with open(self.path, 'rb') as stream:
            lines = stream.read().split(b'\n')
        rows = [row for row in map(_row, lines) if row]
        if len(rows) + 1 != len(lines) or lines[-1]:
            files.write_text(self.path, ''.join(map(_line, rows)))
        return {row['image']: row for row in rows}


def check(out: str, preset_name: str, labelled: bool) -> Dict[str, Any]:
    """The mark in ``out``; MTPError when the folder is not one of tiles, or was cut with other settings."""
    mark = ownership.check(out, VERB)
    theirs, mine = (mark.get('preset'), mark.get('labelled')), (preset_name, labelled)
    if mark.get('preset') and theirs != mine:
        raise MTPError('{} was cut with other settings: {}, now {}'.format(out, *map(_in_words, (theirs, mine))),
                       hint=f'add --overwrite to cut anew, or give another folder: --out {ownership.free(out)}')
    return mark


def clear(out: str) -> None:
    """Remove the journal and the tiles of all images that were ever cut into ``out``; what others put there stays."""
    mark = ownership.check(out, VERB)
    if mark:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(out, NAME))
        remove(out, set(mark.get('begun', ())))
        ownership.put(out, dict(mark, preset=None, begun=[]))


def remove(out: str, stems: Collection[str]) -> None:
    """Remove all tiles of these images."""
    for path in list(_sizes(out)) if stems else ():
        tile = os.path.splitext(os.path.basename(path))[0]
        if _image_of(tile) in stems:
            os.unlink(os.path.join(out, path))


def _image_of(tile: str) -> Optional[str]:
    try:
        return parse_tile_id(tile)[0]
    except MTPError:
        return None


def _sizes(out: str) -> Dict[str, int]:
    """{path relative to ``out``: bytes} of everything in the folders of tiles that has the name of one."""
    found = {}
    for folder, suffix in FOLDERS:
        place = os.path.join(out, folder)
        for entry in os.scandir(place) if os.path.isdir(place) else ():
            if entry.name.endswith(suffix) and entry.is_file(follow_symlinks=False):
                found[f'{folder}/{entry.name}'] = entry.stat(follow_symlinks=False).st_size
    return found


def _line(row: Mapping[str, Any]) -> str:
    body = json.dumps({key: row[key] for key in _KEYS})
    return '{} {:08x}\n'.format(body, zlib.crc32(body.encode('ascii')))


def _row(line: bytes) -> Optional[Dict[str, Any]]:
    """The row of a line; None when it is not whole."""
    body, _, check_sum = line.rpartition(b' ')
    try:
        row = json.loads(body.decode('ascii')) if int(check_sum, 16) == zlib.crc32(body) else None
    except (ValueError, RecursionError):
        return None
    fits = isinstance(row, dict) and all(isinstance(row.get(key), kind) for key, kind in _KEYS.items())
    return row if fits else None


def _in_words(settings: Tuple[Optional[str], Optional[bool]]) -> str:
    name, labelled = settings
    return '{} {} labels'.format(name, 'with' if labelled else 'without')
