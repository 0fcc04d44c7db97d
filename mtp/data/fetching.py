"""``python3 -m mtp.data.fetching DATASET``: what ``make fetch-DATASET`` calls. Archives come, are checked and unpacked.

Standard library only, Python >= 3.6: data come to login nodes.
"""
import argparse
import hashlib
import os
from concurrent import futures
from typing import List, Optional, Tuple

from mtp import download, files, locks, paths, unpacking
from mtp.data import archives, catalogue
from mtp.data.archives import Archive
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.terminal import say

AT_ONCE = 3
HOLDS = '.archives'  # folder below the data root where archives lie until they are unpacked
DONE = 'unpacked.json'  # in it: archives that are unpacked already, by their hash


def main(argv: Optional[List[str]] = None) -> int:
    """Fetch and unpack a data set."""
    parser = argparse.ArgumentParser(prog='python3 -m mtp.data.fetching', description=__doc__.split('\n', 1)[0])
    parser.add_argument('dataset', help='a name of the catalogue')
    parser.add_argument('--archives', default=os.environ.get('ARCHIVES', ''), help='folder with archives that are here')
    parser.add_argument('--out', default=os.environ.get('OUT', ''), help='only put the archives into this folder')
    parser.add_argument('--mirror', default=os.environ.get('MTP_MIRROR', ''),
                        help='address of a folder with the archives')
    parser.add_argument('--accept-licence', action='store_true', default=os.environ.get('ACCEPT_LICENCE', '') == '1')
    args = parser.parse_args(argv)
    dataset = catalogue.get(args.dataset)
    _licence(dataset, args.accept_licence)
    wanted = archives.of(dataset.name)
    root = paths.root('data')
    folder = args.out or os.path.join(root, HOLDS)
    with locks.hold(folder, 'fetch-' + dataset.name):
        found, missing = bring(wanted, folder, args.archives, args.mirror)
        if missing:
            for line in by_hand(dataset.name, missing):
                say(line)
            return FAILED
        if not args.out:
            take_out(found, folder, root)
    say('{}: {}'.format(dataset.name, 'all archives are in ' + folder if args.out else 'unpacked into ' + root))
    return OK


def _licence(dataset: catalogue.Dataset, accepted: bool) -> None:
    """The publisher's terms are for a person to accept, once for each data set."""
    if not accepted:
        raise MTPError('{} is published under these terms: {} ({})'.format(
            dataset.title, dataset.licence, ', '.join(dataset.published)),
            hint=f'make fetch-{dataset.name} ACCEPT_LICENCE=1')


def bring(wanted: Tuple[Archive, ...], folder: str, given: str = '',
          mirror: str = '') -> Tuple[List[Tuple[Archive, str]], List[Archive]]:
    """Get every archive: from the user's folder, from a mirror, from its address; several at once.

    Returns:
        tuple: archives with their paths, and those that a person has to get.

    Raises:
        MTPError: one cannot be had, or is not the right one.
    """
    here = [(archive, _given(archive, given) or _given(archive, folder)) for archive in wanted]
    address = {archive: download.at_mirror(mirror, archive.name, archive.address) for archive in wanted}
    todo = [archive for archive, path in here if not path and address[archive]]
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {archive: pool.submit(download.get, address[archive], os.path.join(folder, archive.name),
                                     download.Wanted(None, None, archive.md5)) for archive in todo}
        errors = [job.exception() for job in jobs.values()]
    for error in errors:
        if error:
            raise error
    for archive, path in here:
        if path:
            _check(archive, path)
    got = [(archive, path or os.path.join(folder, archive.name)) for archive, path in here if path or archive in jobs]
    return got, [archive for archive, path in here if not path and archive not in jobs]


def _given(archive: Archive, folder: str) -> str:
    """Path of the archive in a folder; empty where it is not there."""
    path = os.path.join(folder, archive.name) if folder else ''
    return path if path and os.path.isfile(path) else ''


def _check(archive: Archive, path: str) -> None:
    if archive.md5:
        download.check(path, download.Wanted(None, None, archive.md5))


def by_hand(name: str, missing: List[Archive]) -> List[str]:
    """What a person does for archives that no program may fetch."""
    lines = [f'{len(missing)} to get by hand, of the archives of {name}:']
    for archive in missing:
        lines.append('  {}  from {}{}'.format(archive.name, archive.page, ': ' + archive.needs if archive.needs
                                              else ''))
    return lines + [f'put them under these names into one folder, then: make fetch-{name} ACCEPT_LICENCE=1 '
                    'ARCHIVES=<that folder>']


def take_out(found: List[Tuple[Archive, str]], folder: str, root: str) -> None:
    """Unpack each archive once; a killed run goes on where it was."""
    record = os.path.join(folder, DONE)
    done = files.read_note(record)  # without it, files that are there are still not written again
    for archive, path in found:
        mark = f'{os.path.getsize(path)}:{hashlib.sha256(repr(archive).encode()).hexdigest()[:16]}'
        if done.get(archive.name) == mark:
            say(f'{archive.name}: unpacked before')
            continue
        count = unpacking.unpack(path, archive.unpack, root)
        say(f'{archive.name}: {count} files')
        done[archive.name] = mark
        files.write_json(record, done)


if __name__ == '__main__':
    run_main(main)
