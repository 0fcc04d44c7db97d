"""The passport of a run: what was run, with what, on what, and what came out; written at its start and at its end.

    record = Passport(path, kind='finetune', config=text, data={'train': manifest(files)}, seed=0, processes=4)
    ...
    record.complete('complete', metrics={'mAP': 0.5}, weights=fingerprint(model.state_dict()))

``make replay PASSPORT=path`` repeats the run from it and compares.
"""
import datetime
import hashlib
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Union

from mtp import files, paths, sealed
from mtp.errors import MTPError
from mtp.launch.passports import KEYS, SCHEMA, read  # noqa: F401 -- one place to ask for both sides

from . import identity

if TYPE_CHECKING:  # whoever has tensors has loaded it
    from torch import Tensor

STAMP, STAMP_BYTES = re.compile(rb'"fingerprint":"[0-9a-f]{64}"'), 4096
MANY = 1000  # beyond this many files only their number and one hash over all hashes are kept
STATES = ('running', 'complete', 'stopped', 'failed')


class Passport:
    """One run's passport at ``path`` (JSON). One process of a run writes it. Paths in it have their short form.

    Args:
        path: the file. A passport of the same run that is there already is kept in ``earlier``: a run that was stopped,
            or requeued, has one entry each time it was started.
        kind: ``pretrain``, ``finetune`` or ``test``.
        config: the resolved configuration, as text or as what JSON can hold.
        data: {name: :func:`manifest` or :func:`listing`}.
        seed: seed of the run; None where nothing is drawn.
        processes: how many processes work on it.
        **facts: whatever else is worth knowing of this kind of run.
    """

    def __init__(self, path: files.PathLike, kind: str, config: Any, data: Mapping[str, Any], seed: Optional[int],
                 processes: int, **facts: Any) -> None:
        self.path = os.fspath(path)
        self.content = dict(schema=SCHEMA, kind=kind, status='running', started=_now(), finished=None,
                            command=identity.command(), folder=os.path.dirname(os.path.abspath(self.path)),
                            environment=identity.environment(), code=identity.code(), hardware=identity.hardware(),
                            nodes=identity.nodes(), roots=identity.roots(self.path), variables=identity.variables(),
                            config=config, data=data, seed=seed, processes=processes, earlier=_earlier(self.path),
                            metrics=None, **facts)
        self.write()

    def write(self) -> None:
        files.write_json(self.path, sealed.seal(paths.short_tree(self.content)))

    def complete(self, status: str, metrics: Optional[Mapping[str, Any]] = None,
                 weights: Union[str, Mapping[str, str], None] = None, **facts: Any) -> None:
        """Add the end of the run.

        Args:
            status: ``complete``, ``stopped`` (the same command goes on) or ``failed``.
            metrics: {name: number}.
            weights: :func:`fingerprint` of what was trained, or {name: SHA-256} of the files that came out.
            **facts: whatever else came out.
        """
        if status not in STATES:
            raise ValueError('{!r} is none of {}'.format(status, ', '.join(STATES)))
        self.content.update(facts, finished=_now(), status=status, metrics=metrics, weights=weights)
        self.write()


def _earlier(path: str) -> List[Dict[str, Any]]:
    """One short entry for each time this run was started before."""
    try:
        before = read(path)
    except MTPError as error:
        if os.path.exists(path):
            sys.stderr.write('warning: {}\n  it is made anew, without what it said of earlier starts\n'.format(
                str(error).split('\n')[0]))
        return []
    entry = {key: before[key] for key in ('started', 'finished', 'status', 'nodes', 'code')}
    earlier, environment = before.get('earlier'), before['environment']
    image = environment.get('image') if isinstance(environment, dict) else None
    return (earlier if isinstance(earlier, list) else []) + [dict(entry, image=image)]


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')


def manifest(paths: Iterable[files.PathLike]) -> Dict[str, Any]:
    """Number, total bytes and SHA-256 of the files ``paths``; of each one unless they are many. Reads every byte.

    Our converters write into a label file a stamp of the names and times of what it was made from; it is left out of
    the hash, so that the same labels converted on two machines are the same data.
    """
    full = [os.path.abspath(path) for path in paths]
    folder = os.path.commonpath([os.path.dirname(path) for path in full]) if full else ''
    hashes = {os.path.relpath(path, folder).replace(os.sep, '/'): unstamped(path) for path in full}
    facts: Dict[str, Any] = dict(files=len(full), bytes=sum(os.path.getsize(path) for path in full),
                                 sha256=_joint(hashes))
    if len(full) <= MANY:
        facts['each'] = hashes
    return facts


def unstamped(path: files.PathLike) -> str:
    """SHA-256 of a file without the stamp of a converter, which stands at its beginning."""
    with open(path, 'rb') as stream:
        digest = hashlib.sha256(STAMP.sub(b'', stream.read(STAMP_BYTES), count=1))
        for block in iter(lambda: stream.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()


def listing(folder: files.PathLike) -> Dict[str, Any]:
    """Number, total bytes and one SHA-256 over names and sizes of all files below ``folder``; none is read."""
    sizes = {}
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in names:
            path = os.path.join(place, name)
            sizes[os.path.relpath(path, folder).replace(os.sep, '/')] = os.path.getsize(path)
    return dict(files=len(sizes), bytes=sum(sizes.values()), names_and_sizes=_joint(sizes))


def fingerprint(state_dict: Mapping[str, 'Tensor']) -> str:
    """SHA-256 over name, type, shape and bytes of every tensor: equal if and only if the weights are, bit for bit.

    A hash of the file would not do: what is written beside the weights (times, paths) differs from run to run.
    """
    digest = hashlib.sha256()
    for name, value in sorted(state_dict.items()):
        array = value.detach().cpu().contiguous().numpy()
        digest.update(f'{name} {array.dtype.str} {array.shape}\n'.encode('utf-8'))
        digest.update(array.tobytes())
    return digest.hexdigest()


def _joint(values: Mapping[str, object]) -> str:
    return hashlib.sha256('\n'.join(f'{name} {value}'
                                    for name, value in sorted(values.items())).encode()).hexdigest()
