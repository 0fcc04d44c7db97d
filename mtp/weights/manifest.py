"""``mtp/weights/manifest.json``: every published file; ``imported.json`` beside the weights: what was found in each.

Standard library only, Python >= 3.6: a login node reads it too.
"""
import json
import os
import shlex
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from mtp import files, paths
from mtp.errors import MTPError

MANIFEST = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'manifest.json')
RECORD = 'imported.json'
INITIAL, REUSE = 'initial', 'decoder reuse'


class Place(NamedTuple('Place', [('place', str), ('address', str), ('code', str)])):
    """Where a file is published.

    Attributes:
        place: 'file' (can be fetched), 'page' (has a link), 'OneDrive folder', 'Baidu folder'.
        code: what a Baidu folder asks for; else empty.
    """


class Entry(NamedTuple('Entry', [
        ('name', str), ('task', str), ('what', str), ('layout', str), ('backbone', str), ('init', str), ('config', str),
        ('licence', str), ('published', Tuple[Place, ...]), ('bytes', Optional[int]), ('sha256', Optional[str])])):
    """A published file.

    Attributes:
        name: the kit's own, below the weights root.
        task: 'initial' (a fine-tuning or pretraining starts from it), 'decoder reuse', or the task it was fine-tuned
            for.
        layout: of its keys, as ``mtp.checkpoints`` tells it.
        backbone, init: as in ``configs/results.json``.
        config: the one run whose result it is; empty for what runs start from.
        bytes, sha256: as a public source states them, or None.
    """

    @property
    def address(self) -> str:
        """Where it can be fetched; empty where a person has to open a page."""
        return next((place.address for place in self.published if place.place == 'file'), '')


def entries(path: str = MANIFEST) -> Dict[str, Entry]:
    """Every published file by its name, in the order of the manifest."""
    with open(path, encoding='utf-8') as stream:
        listed = json.load(stream)['weights']
    found = [Entry(published=tuple(Place(code=each.get('code', ''), place=each['place'], address=each['address'])
                                   for each in item.pop('published')), config=item.pop('config', ''), **item)
             for item in listed]
    return {entry.name: entry for entry in found}


def wanted_by(entry: Entry, results: Dict[str, Any]) -> List[str]:
    """The published runs that need ``entry``: names as in ``configs/results.json``."""
    if entry.config:
        return [entry.config[len('configs/'):-len('.py')]]
    if entry.task != INITIAL:
        return []
    return [name for name, run in results.items() if (run['backbone'], run['init']) == (entry.backbone, entry.init)]


def for_run(name: str, results: Dict[str, Any]) -> List[Entry]:
    """What the run ``name`` starts from, and its released result where there is one."""
    if name not in results:
        raise MTPError(f'no published run is called {name}', hint='make weights lists all files')
    return [entry for entry in entries().values() if name in wanted_by(entry, results)]


def place(entry: Entry, root: str) -> str:
    """Where the file lies below the weights root."""
    return os.path.join(root, entry.name)


def recorded(root: str) -> Dict[str, Dict[str, Any]]:
    """What was found in the files that were imported: ``{name: {sha256, bytes, told_by}}``; empty where nothing was.

    Raises:
        MTPError: the record cannot be read.
    """
    path = os.path.join(root, RECORD)
    try:
        found = files.read_json(path)
        return {name: dict(sha256=str(item['sha256']), bytes=int(item['bytes']), told_by=str(item['told_by']))
                for name, item in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MTPError(f'{path} cannot be read: {error}',
                       hint='mv {0} {0}.damaged, then make weights IMPORT={1}'.format(
                           shlex.quote(path), shlex.quote(root)))


def record(root: str, name: str, sha256: str, size: int, told_by: str) -> None:
    """Remember what lies at ``name``; later runs are held to it."""
    found = dict(recorded(root), **{name: dict(sha256=sha256, bytes=size, told_by=told_by)})
    files.write_json(os.path.join(root, RECORD), found)


def expected(name: str, root: str) -> Optional[str]:
    """The SHA-256 that the file ``name`` has to have: published, or found when it was imported; None where unknown."""
    entry = entries().get(name)
    if entry is not None and entry.sha256:
        return entry.sha256
    return recorded(root).get(name, {}).get('sha256')


def hold(path: str, sha256: str) -> None:
    """Hold a file that a run starts from to the hash that is known of it.

    Args:
        path: of the file; only files right below the weights root are known.
        sha256: what was found in it now.

    Raises:
        MTPError: it is another file than the published or the imported one.
    """
    root, name = os.path.split(os.path.abspath(path))
    if os.path.realpath(root) != os.path.realpath(paths.root('weights')):
        return
    wanted = expected(name, root)
    if wanted and wanted != sha256:
        raise MTPError(
            f'{path} has sha256 {sha256}, but {wanted} was published or imported under that name: the file has changed',
            hint='mv {0} {0}.changed, then make weights GET={1} or make weights IMPORT=file'.format(
                shlex.quote(path), name))
