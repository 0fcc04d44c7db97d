"""Writing COCO instance files piece by piece, so that memory stays small however many annotations there are."""
import json
import os
import re
from typing import Any, Dict, Iterable, Mapping, Optional, Sequence, Tuple

from mtp.files import PathLike, atomic_path

_STAMP = re.compile(r'\{"info":\{"fingerprint":"([0-9a-f]{64}|)"\}')


def is_current(path: PathLike, fingerprint: str) -> bool:
    """Whether ``path`` was written from inputs with this fingerprint."""
    return _stamp(path) == fingerprint


def is_ours(path: PathLike) -> bool:
    """Whether :func:`write` has written ``path``."""
    return _stamp(path) is not None


def _stamp(path: PathLike) -> Optional[str]:
    """The fingerprint in a file, '' where something was left out; None in one that is not ours."""
    try:
        if not os.path.isfile(path):
            return None
        with open(path, encoding='utf-8') as stream:
            found = _STAMP.match(stream.read(4096))
    except (OSError, UnicodeDecodeError):
        return None
    return found.group(1) if found else None


def compact(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(',', ':'), ensure_ascii=False)


def write(path: PathLike, classes: Sequence[str], rows: Iterable[Tuple[Mapping[str, Any], Sequence[str]]],
          fingerprint: str = '', id_base: int = 1, dry_run: bool = False) -> Dict[str, int]:
    """Write a COCO file.

    Args:
        path: where; written under another name first.
        classes: category i gets id i.
        rows: for each image its entry without id, and its annotations as JSON objects without ``id`` and
            ``image_id`` (text beginning with ``{"``); they are made in the workers, and only numbered here.
        fingerprint: hash of the inputs, kept in ``info``; '' where something was left out.
        id_base: first annotation id. 1, because evaluation takes an id of 0 for "no match"; 0 as published.
        dry_run: go through all rows and write nothing.

    Returns:
        Number of ``images`` and ``annotations``. Image ids count from 0.
    """
    counts = {'images': 0, 'annotations': 0}
    if dry_run:
        for _, annotations in rows:
            counts['images'] += 1
            counts['annotations'] += len(annotations)
        return counts
    categories = [{'id': index, 'name': name} for index, name in enumerate(classes)]
    images = []
    with atomic_path(path) as temporary, open(temporary, 'w', encoding='utf-8') as stream:
        info = {'fingerprint': fingerprint}
        stream.write(f'{{"info":{compact(info)},"categories":{compact(categories)},"annotations":[')
        separator = '\n'
        for image_id, (image, annotations) in enumerate(rows):
            images.append(compact(dict(image, id=image_id)))
            for text in annotations:
                stream.write('{}{{"id":{},"image_id":{},{}'.format(
                    separator, counts['annotations'] + id_base, image_id, text[1:]))
                counts['annotations'] += 1
                separator = ',\n'
        counts['images'] = len(images)
        stream.write('],"images":[\n' + ',\n'.join(images) + ']}\n')
        stream.flush()
        os.fsync(stream.fileno())
    return counts
