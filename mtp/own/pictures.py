"""Layouts whose labels are images or folders: masks, pairs with a mask of change, one folder a class."""
import os
import posixpath
import re
from typing import Dict, List, Tuple

from mtp.errors import MTPError
from mtp.own import tables
from mtp.own.folder import SAYS, Folder, Matcher, listed_parts, part_of, stem
from mtp.own.records import Asked, Found, Record

MASKS = ('masks', 'mask', 'labels', 'label', 'gt', 'annotations', 'ann_dir', 'annotation', 'seg', 'masks_png',
         'labels_png', 'lbl')
BEFORE = ('a', 'before', 'pre', 't1', 'time1', 'im1', 'image1', 'from', '2012')
AFTER = ('b', 'after', 'post', 't2', 'time2', 'im2', 'image2', 'to', '2016')
_TAIL = re.compile(r'[-_](mask|masks|label|labels|gt|seg|lbl)$')


def role_of(name: str) -> str:
    """'mask', 'before', 'after' by the nearest folder that says so, else '' (or 'mask' by the file's own name)."""
    for piece in reversed(posixpath.dirname(name.lower()).split('/')):
        for role, words in (('mask', MASKS), ('before', BEFORE), ('after', AFTER)):
            if piece in words:
                return role
    return 'mask' if _TAIL.search(stem(name.lower())) else ''


def _by_role(folder: Folder) -> Dict[str, List[str]]:
    roles: Dict[str, List[str]] = {'': [], 'mask': [], 'before': [], 'after': []}
    for name in folder.images():
        roles[role_of(name)].append(name)
    return roles


def mask_evidence(folder: Folder) -> List[str]:
    """Masks of single images."""
    roles = _by_role(folder)
    return [] if roles['before'] and roles['after'] else roles['mask'] if roles[''] else []


def pair_evidence(folder: Folder) -> List[str]:
    """Masks of pairs."""
    roles = _by_role(folder)
    return roles['mask'] if roles['before'] and roles['after'] else []


def class_evidence(folder: Folder) -> List[str]:
    """Images in folders that are no role and no part: one a class; two of them at least, and nothing else to go by."""
    names = folder.images()
    if any(role_of(name) for name in names) or folder.ending('.xml', '.geojson', '.gpkg'):
        return []
    kinds = {_kind(name) for name in names}
    plain = {'', 'images', 'image', 'img', 'imgs', 'jpegimages'}
    return names if len(kinds) > 1 and not kinds & plain else []


def _kind(name: str) -> str:
    folders = [piece for piece in posixpath.dirname(name).split('/') if piece]
    return folders[-1] if folders and folders[-1].lower() not in SAYS else ''


def read_masks(folder: Folder, _: List[str], asked: Asked) -> Found:
    """Images and their masks; names may differ by ``_mask``."""
    roles, table = _by_role(folder), tables.find(folder)
    matcher = Matcher(roles[''])
    masks, orphans = _partners(matcher, roles['mask'])
    parts, lists = listed_parts(folder)
    records = [Record(image, parts.get(stem(image)) or part_of(image), masks.get(image, ''), mask=masks.get(image, ''))
               for image in roles['']]
    return Found(tuple(records), asked.classes or table.classes, table.name, orphans,
                 tuple(roles['mask']) + tuple(lists) + ((table.name,) if table.name else ()), colours=table.colours)


def _partners(matcher: Matcher, masks: List[str]) -> Tuple[Dict[str, str], Tuple[str, ...]]:
    """{image: mask} and the masks without an image."""
    return matcher.partners(masks, 'masks', lambda found: _TAIL.sub('', found))


def read_pairs(folder: Folder, _: List[str], asked: Asked) -> Found:
    """Pairs of images of one name, and the mask of what has changed."""
    roles, parts = _by_role(folder), listed_parts(folder)
    masks, orphans = _partners(Matcher(roles['before']), roles['mask'])
    afters = Matcher(roles['after'])
    records, taken = [], set()
    for image in roles['before']:
        after = afters.find(image)
        if not after:
            raise MTPError(f'{folder.path(image)} has no image of the later date',
                           hint='give it one of the same name, or move it away')
        taken.add(after)
        records.append(Record(image, parts[0].get(stem(image)) or part_of(image), masks.get(image, ''), after=after,
                              mask=masks.get(image, '')))
    orphans += tuple(name for name in roles['after'] if name not in taken)
    return Found(tuple(records), ('unchanged', 'changed'), '', orphans, tuple(roles['mask']) + tuple(roles['after'])
                 + tuple(parts[1]))


def read_classes(folder: Folder, _: List[str], asked: Asked) -> Found:
    """Images in one folder a class."""
    records = [Record(name, part_of(name), kind=_kind(name)) for name in folder.images()]
    table = tables.find(folder)
    return Found(tuple(records), asked.classes or table.classes, table.name,
                 used=(table.name,) if table.name else (), notes=tuple(
                     f'the folder {name} is empty, and no class' for name in _empty(folder)))


def _empty(folder: Folder) -> List[str]:
    """Folders without any file where those of classes lie: in the folder itself, or in those of its parts."""
    filled = {above for name in folder.names for above in (name.split('/')[0], '/'.join(name.split('/')[:2]))}
    below = [name for name in sorted(os.listdir(folder.root)) if not name.startswith('.')]
    below += [f'{part}/{name}' for part in below if part.lower() in SAYS and os.path.isdir(folder.path(part))
              for name in sorted(os.listdir(folder.path(part))) if not name.startswith('.')]
    return [name for name in below if name not in filled and os.path.isdir(folder.path(name))]
