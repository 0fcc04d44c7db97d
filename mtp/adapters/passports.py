"""The passport of a fine-tuning or a test: config, data, weights, command; at the end what came out."""
import contextlib
import json
import os
from typing import Any, Dict, Iterator, Mapping, Optional

from mtp import files, locks
from mtp.errors import MTPError
from mtp.report import passport
from mtp.weights import manifest as weights

# A test without --work-dir writes beside the training of its config, so each has a name of its own.
NAMES = {'finetune': 'passport.json', 'test': 'passport-test.json'}


@contextlib.contextmanager
def issued(kind: str, folder: str, config: Dict[str, Any], datasets: Mapping[str, Mapping[str, Any]], rank: int = 0,
           processes: int = 1, seed: Optional[int] = None, **facts: Any) -> Iterator[Dict[str, Any]]:
    """Write the passport of a run before it begins, and complete it when it ends, however that is. Rank 0 only.

    Args:
        kind: ``'finetune'`` or ``'test'``.
        folder: where the run writes.
        config: the resolved config as a dict.
        datasets: {role: config of a data set}.
        rank: of this process.
        processes: how many there are.
        seed: None where the toolbox draws one.
        **facts: whatever else is known at the start (what it started from).

    Yields:
        dict: facts to add at the end (metrics, weights ...).
    """
    found = {}
    if rank:
        yield found
        return
    locks.sweep(folder)  # a test holds the folders of its results alone: a training may go on beside it
    record = passport.Passport(
        os.path.join(folder, NAMES[kind]), kind, json.loads(json.dumps(config, default=str)),
        {role: manifest(dataset) for role, dataset in datasets.items()}, seed, processes, **facts)
    status = 'failed'
    try:
        yield found
        status = 'complete'
    except KeyboardInterrupt:
        status = 'stopped'
        raise
    finally:
        record.complete(status, **found)


def is_complete(kind: str, folder: str) -> bool:
    """Whether the run of ``kind`` in ``folder`` has come to its end and said so."""
    try:
        return passport.read(os.path.join(folder, NAMES[kind]))['status'] == 'complete'
    except MTPError:
        return False


def figures(metrics: Mapping[str, Any]) -> Dict[str, Optional[float]]:
    """The numbers among what an evaluator returned, as JSON knows them; None where there is none (a class without
    truth)."""
    numbers = {name: _number(value) for name, value in metrics.items()}
    return {name: None if value != value else value for name, value in numbers.items() if value is not None}


def without_number(found: Mapping[str, Optional[float]]) -> str:
    """A sentence about those of :func:`figures` that are no numbers; '' where all are."""
    names = [name for name, value in found.items() if value is None]
    return '{}: not a number. Of that class nothing was found, or nothing is there to be found'.format(
        ', '.join(names)) if names else ''


def _number(value: Any) -> Optional[float]:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def checkpoint(path: Optional[str]) -> Optional[Dict[str, str]]:
    """Path and SHA-256 of the checkpoint that a run starts from; None without one.

    Raises:
        MTPError: it is a published file by its name, and not by its hash.
    """
    if not path or not os.path.isfile(path):
        return None
    digest = files.sha256(path)
    weights.hold(path, digest)
    return dict(file=path, sha256=digest)


def manifest(dataset: Mapping[str, Any]) -> Dict[str, Any]:
    """Folders of the config of a data set by names and sizes, a label file by its content."""
    root = dataset.get('data_root') or ''
    images = dataset.get('data_prefix') or dataset.get('img_prefix') or ''
    places: Dict[str, Optional[str]] = {'images': images} if isinstance(images, str) else dict(images)
    places['labels'] = dataset.get('ann_file')
    return {role: _place(os.path.join(root, place)) for role, place in places.items() if place}


def _place(path: str) -> Dict[str, Any]:
    if os.path.isfile(path):
        return dict(passport.manifest([path]), path=path)
    return dict(passport.listing(path), path=path)
