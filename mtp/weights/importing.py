"""``python -m mtp.weights.importing FILE|FOLDER``: put files where they belong, whatever they are called."""
import argparse
import os
import shlex
import shutil
from typing import List, Optional

from mtp import files, paths
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.weights import manifest
from mtp.weights.recognise import recognise

SUFFIXES = ('.pth', '.pt', '.bin', '.ckpt', '.safetensors')


def main(argv: Optional[List[str]] = None) -> int:
    """Import what the command line names; exit code 1 where a file of a folder could not be."""
    parser = argparse.ArgumentParser(prog='python -m mtp.weights.importing', description=__doc__)
    parser.add_argument('source', help='a checkpoint, or a folder with several')
    parser.add_argument('--told', default='', help='config or name of the published file that it is')
    args = parser.parse_args(argv)
    root = paths.root('weights')
    found = _listed(args.source)
    failed = 0
    for path in found:
        try:
            print(bring(path, root, args.told), flush=True)
        except MTPError as error:
            if len(found) == 1:
                raise
            failed += 1
            print(f'not taken: {error}', flush=True)
    return FAILED if failed else OK


def _listed(source: str) -> List[str]:
    """The checkpoints that ``source`` names, those in the weights root itself left out."""
    if os.path.isfile(source):
        return [source]
    if not os.path.isdir(source):
        raise MTPError(f'there is no file and no folder {source}', hint='make weights IMPORT=file|folder')
    found = sorted(os.path.join(folder, name) for folder, _, names in os.walk(source) for name in names
                   if name.lower().endswith(SUFFIXES) and not name.startswith('.'))
    if not found:
        raise MTPError('{} holds no checkpoint ({})'.format(source, ', '.join(SUFFIXES)),
                       hint='make weights IMPORT=file|folder')
    return found


def bring(path: str, root: str, told: str = '') -> str:
    """Put the file at ``path`` into its place below ``root`` and record its hash; returns a sentence.

    Raises:
        MTPError: it is no published file, or another one lies in its place.
    """
    entry, digest, how = recognise(path, told)
    target = manifest.place(entry, root)
    if os.path.exists(target) and not os.path.samefile(path, target):
        there = files.sha256(target)
        if there != digest:
            raise MTPError(f'{path} is {entry.name}, but another file lies at {target}',
                           hint='mv {0} {0}.other, then make weights IMPORT={1}'.format(
                               shlex.quote(target), shlex.quote(path)))
    elif not os.path.exists(target):
        with files.atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
            if files.sha256(temporary) != digest:
                raise MTPError(f'{path} changed while it was read', hint='make weights IMPORT=' + path,
                               code=FAILED)
    manifest.record(root, entry.name, digest, os.path.getsize(target), how)
    return f'{path} is {entry.what} (told by its {how}): {target}'


if __name__ == '__main__':
    run_main(main)
