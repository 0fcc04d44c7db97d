"""``make verify-bundle BUNDLE=folder``: is it whole, unchanged, complete? ``OFFLINE=1`` uses it without network too."""
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from typing import Any, Iterator, List, Mapping, Sequence

from mtp import files
from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import sha256
from mtp.launch import bundle, execute, host, ledger, pythons, sums
from mtp.launch.settings import from_environ
from mtp.progress import Progress
from mtp.terminal import shown

_ARCHIVE = re.compile(bundle.IMAGES + r'/[A-Za-z0-9_][A-Za-z0-9_.-]*\.tar')
_MOST = 16 << 20  # bytes of a JSON file in a docker archive
#: What bundle.json of a finished bundle holds; this one may be a stranger's.
_SHAPE = {'ledger': str, 'variant': str, 'parts': list, 'environments': list, 'images': dict, 'left_out': list}


def _strange(about: Mapping[str, Any]) -> Iterator[str]:
    """What a bundle.json says that no bundle of this checkout can: it may be a stranger's."""
    for key in ('parts', 'environments', 'left_out'):
        for item in about[key]:
            if not isinstance(item, str) or key == 'environments' and item not in ledger.names():
                yield f'{key} has {shown(item)}'
    for env in about['environments']:
        if about['variant'] not in ledger.variants(env):
            yield 'variant is {}, which {} does not have'.format(shown(about['variant']), env)
    for name in about['images']:
        if not _ARCHIVE.fullmatch(name):
            yield f'images has {shown(name)}, which is no archive below {bundle.IMAGES}/'


def check_sums(folder: str) -> List[str]:
    """Sentences about files that are missing, changed, not listed, or no plain files.

    Raises:
        MTPError: there are no checksums (the bundle was not finished), or they cannot be read.
    """
    listed = bundle.sums_of(folder)
    if listed is None:
        raise MTPError(f'{folder} has no {sums.SUMS}: it was not finished, or is no bundle',
                       hint=f'make bundle OUT={shlex.quote(folder)} again, or BUNDLE=folder')
    progress = Progress('checksums', len(listed))
    found = sums.wrong(folder, listed, lambda name: progress.update(1, name[-40:]))
    progress.close()
    return found


def check_content(folder: str, about: Mapping[str, Any]) -> List[str]:
    """Sentences about what is lacking for the use that the bundle was made for."""
    found = []
    if about['ledger'] != ledger.digest():
        found.append('it was made from another ledger: {} there, {} here; verify it with its own make'.format(
            about['ledger'][:12], ledger.digest()[:12]))
    if 'wheels' in about['parts']:
        held = bundle.hashes(os.path.join(folder, bundle.WHEELS))
        for name in bundle.lock_names(about['environments'], about['variant']):
            found += [
                f'no wheel of {package} that the lock {name} admits'
                for package in bundle.lacking(name, held)
            ]
        for env in about['environments']:
            ops = ledger.environment(env)['ops']
            if not bundle.operators(folder, env, about['variant']):
                found.append('no compiled {package} {version}'.format(**ops))
            if ops['sha256'] not in held:
                found.append('no source of {package}: {sdist}'.format(**ops))
    for name, entry in sorted(about['images'].items()):
        tags = entry.get('tags') if isinstance(entry, dict) else None
        tags = [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else ()
        found += check_archive(os.path.join(folder, name), tags, name)
    return found


def _member(archive: tarfile.TarFile, name: str) -> Any:
    """The JSON value in a member of a tar archive."""
    # a folder of that name has nothing to read: the caller takes that for what it is
    return files.parse_json(archive.extractfile(name).read(_MOST).decode('utf-8'))  # type: ignore[union-attr]


def check_archive(path: str, tags: Sequence[str], name: str) -> List[str]:
    """Sentences about a docker archive: are its images those that the bundle says, of this ledger?"""
    try:
        with tarfile.open(path) as stream:
            manifest = _member(stream, 'manifest.json')
            configs = [_member(stream, item['Config']) for item in manifest]
        seen = sorted(str(tag) for item in manifest for tag in item['RepoTags'] or ())
        labels_of = [dict((config.get('config') or {}).get('Labels') or {}) for config in configs]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, tarfile.TarError) as error:
        return [f'{name} is no docker archive: {error}']
    found = [] if seen == sorted(tags) else ['{} holds {}, not {}'.format(name, ', '.join(seen), ', '.join(tags))]
    for item, labels in zip(manifest, labels_of):
        env, kind = labels.get('org.mtp.environment', ''), labels.get('org.mtp.variant', '')
        known = env in ledger.names() and kind in ledger.variants(env)
        if name != bundle.BASES and not (known and labels.get(host.DIGEST_LABEL) == ledger.inputs(env, kind)):
            found.append('{}: {} was built from other inputs'.format(name, item['RepoTags']))
    return found


def without_network() -> List[str]:
    """Words that start a command without any network.

    Raises:
        MTPError: this machine does not let us.
    """
    for words in (['unshare', '--net'], ['unshare', '--map-root-user', '--net']):
        try:
            if subprocess.call(words + ['true'], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0:
                return words
        except OSError:
            pass
    raise MTPError('no network namespace can be made here (unshare --net)', hint='leave OFFLINE=1 away')


def use_offline(folder: str, env: str) -> None:
    """Make the native environment of ``env`` from the bundle alone, and ask it for its self-check.

    Raises:
        MTPError: it fails.
    """
    words, kept = without_network(), tempfile.mkdtemp(prefix='mtp-offline-')
    try:
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(('PIP_', 'UV_', 'MTP_')) and not name.lower().endswith('_proxy')}
        environment[pythons.variable(ledger.minor(env))] = interpreter(env)
        environment.update(HOME=kept, ENV=env, MTP_VENV_ROOT=os.path.join(kept, 'venv'), MTP_CACHE_ROOT=os.path.join(
            kept, 'cache'), PIP_NO_CACHE_DIR='1', PYTHONDONTWRITEBYTECODE='1')
        if execute.call(words + [sys.executable, '-m', 'mtp.launch', 'setup'], environment, folder):
            raise MTPError(f'setting up {env} from the bundle without network failed', code=FAILED)
    finally:
        shutil.rmtree(kept, ignore_errors=True)


def interpreter(env: str) -> str:
    """The Python of this machine that ``env`` is made of, found before HOME is hidden."""
    return pythons.find(os.environ, ledger.minor(env), ledger.environment(env)['python']['shipped'])[0]


def main() -> int:
    """Verify the bundle BUNDLE; exit code 1 names everything that is wrong."""
    settings = from_environ(os.environ)
    own = bool(bundle.read(ledger.ROOT))
    folder = os.path.abspath(settings.words['BUNDLE'] or (
        ledger.ROOT if own else os.path.join(ledger.ROOT, settings.work_root, 'bundle')))
    about = bundle.read(folder)
    if not all(isinstance(about.get(key), kind) for key, kind in _SHAPE.items()):
        raise MTPError(f'{folder} is no bundle', hint='make bundle, or BUNDLE=folder')
    strange = next(_strange(about), '')
    if strange:
        raise MTPError(f'{os.path.join(folder, bundle.NAME)}: {strange}', code=FAILED,
                       hint='copy the bundle again, or verify it with its own make')
    wrong = check_sums(folder) or check_content(folder, about)
    if wrong:
        raise MTPError('{} is not what it should be:\n  {}'.format(folder, '\n  '.join(wrong)), code=FAILED,
                       hint=sums.hint(wrong, folder))
    wheels = len(glob.glob(os.path.join(folder, bundle.WHEELS, '*.whl')))
    print('{}: whole; {} wheels, {} image archives, {} SIFs, for {} ({})'.format(
        folder, wheels, len(about['images']), len(glob.glob(os.path.join(folder, 'apptainer', '*.sif'))),
        ' and '.join(about['environments']), about['variant']))
    print('its {} is sha256:{}; make bundle said the same where it was made'.format(
        sums.SUMS, sha256(os.path.join(folder, sums.SUMS))))
    kept = [name for name in sums.YOURS if os.path.isdir(os.path.join(folder, name))]
    if kept:
        print('yours, no part of it and not looked at: ' + ', '.join(kept))
    for note in about['left_out']:
        print('left out: ' + note)
    if settings.words['OFFLINE']:
        for env in about['environments']:
            use_offline(folder, env)
        print('without network: ' + ' and '.join(about['environments']) + ' set up from the bundle alone')
    return OK


if __name__ == '__main__':
    run_main(main)
