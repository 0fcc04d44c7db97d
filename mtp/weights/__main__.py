"""``python3 -m mtp.weights``: what ``make weights`` calls. A table; CONFIG=, GET=name|all, IMPORT=file|folder.

Standard library only, Python >= 3.6; an import needs an environment with torch.
"""
import difflib
import os
import shlex
import subprocess
from typing import Dict, List

from mtp import download
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.launch import configs, ledger
from mtp.launch.settings import Settings, from_environ
from mtp.reproduce import results
from mtp.terminal import say
from mtp.weights import manifest
from mtp.weights.manifest import Entry


def main() -> int:
    """Do what the settings ask for."""
    settings = from_environ(os.environ)
    root = os.path.join(ledger.ROOT, settings.weights_root)
    words = settings.words
    if words['IMPORT']:
        return _import(settings, root)
    if words['GET']:
        return _get(settings, root)
    runs = results.all_of(ledger.ROOT)
    if settings.config:
        return _of_config(settings, root, runs)
    for line in table(root, runs):
        say(line)
    return OK


def table(root: str, runs: Dict[str, dict]) -> List[str]:
    """Every published file: whether it is here, how many runs want it, how it comes."""
    known, lines = manifest.recorded(root), ['{:<9}{:<5}{:<58}{}'.format('', 'runs', 'file', 'what it is')]
    here = []
    for entry in manifest.entries().values():
        path, wanted = manifest.place(entry, root), manifest.wanted_by(entry, runs)
        state = 'missing'
        if os.path.isfile(path):
            state = 'known' if entry.name in known or entry.sha256 else 'here'
            here += wanted
        lines.append('{:<9}{:<5}{:<58}{}'.format(state, len(wanted) or '', entry.name, entry.what))
    lines.append('{} of the {} published runs find what they start from or their released result in {}'.format(
        len(set(here)), len(runs), root))
    lines.append('known: held to its hash from now on; here: not yet, make weights IMPORT={} records it'.format(root))
    lines.append('next: make weights CONFIG=configs/mtp/<dataset>/<name>.py says what a run needs and how to get it')
    return lines


def _of_config(settings: Settings, root: str, runs: Dict[str, dict]) -> int:
    env, config = configs.find(settings.config, settings.env or None, 'train', root=ledger.ROOT)
    name = '/'.join((env,) + configs.dataset_and_stem(config))
    missing = 0
    for entry in manifest.for_run(name, runs):
        path = manifest.place(entry, root)
        purpose = 'to start from' if entry.task == manifest.INITIAL else 'its released result'
        if os.path.isfile(path):
            say(f'here     {path} ({purpose}): {entry.what}')
        else:
            missing += 1
            say(f'missing  {path} ({purpose}): {entry.what}')
            for line in how_to_get(entry, root):
                say('         ' + line)
    return FAILED if missing else OK


def how_to_get(entry: Entry, root: str) -> List[str]:
    """What a person types or opens to get a file."""
    if entry.address or _mirror():
        return [f'make weights GET={entry.name}']
    lines = ['open {}{}'.format(place.address, f' (code {place.code})' if place.code else '')
             for place in entry.published]
    return [' or '.join(lines), 'make weights IMPORT=<the file you got>    # whatever it is called']


def _get(settings: Settings, root: str) -> int:
    known, asked = manifest.entries(), settings.words['GET']
    names = list(known) if asked == 'all' else [_known(name, known) for name in asked.split()]
    by_hand, failed = [], []
    for entry in (known[name] for name in names):
        address = download.at_mirror(_mirror(), entry.name, entry.address)
        if not address:
            by_hand.append(entry)
            continue
        try:
            _fetch(entry, address, settings, root)
        except MTPError as error:
            failed.append(error)  # the others come all the same
    for entry in by_hand:
        say(f'{entry.name} has no address that can be fetched; by hand:')
        for line in how_to_get(entry, root):
            say('  ' + line)
    for failure in failed[:-1]:
        say(f'error: {failure}')
    if failed:
        raise failed[-1]
    return FAILED if by_hand else OK


def _fetch(entry: Entry, address: str, settings: Settings, root: str) -> None:
    path, known = manifest.place(entry, root), manifest.expected(entry.name, root)
    was_here = os.path.exists(path)
    digest = download.get(address, path, download.Wanted(entry.bytes, known, None))
    if not known:
        _read(entry, settings, root, was_here)
        return
    manifest.record(root, entry.name, digest, os.path.getsize(path), 'hash' if entry.sha256 else 'address')
    say('{}: sha256 {}{}'.format(path, digest, ', as published' if entry.sha256 else ''))


def _read(entry: Entry, settings: Settings, root: str, was_here: bool) -> None:
    """Judge a file whose hash nobody has published by its tensors; only then is its hash recorded.

    Raises:
        MTPError: it is another network's, or no checkpoint; what was fetched just now is removed.
    """
    path = manifest.place(entry, root)
    python = _with_torch(settings)
    if not os.path.exists(python):
        say(f'{path}: its hash was never published, and it has not been read: that needs torch')
        say(f'  next: make setup ENV={_env(settings)}, then make weights GET={entry.name}')
        return
    if _call(python, root, [path, '--told', entry.name]):
        if not was_here:
            os.unlink(path)
        raise MTPError('{} is not {}{}'.format(path, entry.name, '' if was_here else ', and was removed'),
                       hint='mv {0} {0}.other, then make weights GET={1}'.format(
                           shlex.quote(path), entry.name) if was_here else
                       'MTP_MIRROR=address of a folder with the right file, or make weights IMPORT=<the file you got>',
                       code=FAILED)


def _known(name: str, known: Dict[str, Entry]) -> str:
    if name in known:
        return name
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    raise MTPError(f'GET is {name!r}: no published file is called so',
                   hint=f'make weights GET={near[0]}' if near else 'make weights')


def _mirror() -> str:
    return os.environ.get('MTP_MIRROR', '').strip()


def _import(settings: Settings, root: str) -> int:
    python = _with_torch(settings)
    if not os.path.exists(python):
        raise MTPError(f'reading a checkpoint needs torch, and the environment {_env(settings)} is not made',
                       hint='make setup ENV=' + _env(settings))
    return _call(python, root,
                 [settings.words['IMPORT']] + (['--told', settings.config] if settings.config else []))


def _env(settings: Settings) -> str:
    return settings.env or ledger.serving('train')[0]  # any environment with torch would do; this one trains


def _with_torch(settings: Settings) -> str:
    return os.path.join(ledger.ROOT, settings.venv_root, _env(settings), 'bin', 'python')


def _call(python: str, root: str, words: List[str]) -> int:
    """Exit code of the import that ``words`` ask for."""
    return subprocess.call([python, '-m', 'mtp.weights.importing'] + words, cwd=ledger.ROOT,
                           env=dict(os.environ, MTP_WEIGHTS_ROOT=root, PYTHONNOUSERSITE='1'))


if __name__ == '__main__':
    run_main(main)
