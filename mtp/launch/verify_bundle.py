"""``make verify-bundle BUNDLE=folder``: is it whole, unchanged, complete? ``OFFLINE=1`` uses it without network too."""
import glob
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

from mtp.errors import FAILED, OK, MTPError, run_main
from mtp.files import sha256
from mtp.launch import bundle, execute, host, ledger
from mtp.launch.settings import from_environ
from mtp.progress import Progress


def check_sums(folder):
    """Sentences about files that are missing, changed or not listed.

    Raises:
        MTPError: there are no checksums: the bundle was not finished.
    """
    path = os.path.join(folder, bundle.SUMS)
    if not os.path.exists(path):
        raise MTPError('{} has no {}: it was not finished, or is no bundle'.format(folder, bundle.SUMS),
                       hint='make bundle OUT={} again, or BUNDLE=folder'.format(folder))
    with open(path, encoding='utf-8') as stream:
        listed = dict(reversed(line.rstrip('\n').split('  ', 1)) for line in stream)
    there, found = set(bundle.contents(folder)), []
    found += ['{} is missing'.format(name) for name in sorted(set(listed) - there)]
    found += ['{} is not in {}'.format(name, bundle.SUMS) for name in sorted(there - set(listed))]
    progress = Progress('checksums', len(listed))
    for name in sorted(there & set(listed)):
        seen = sha256(os.path.join(folder, name))
        if seen != listed[name]:
            found.append('{} has changed: {} is listed, it is {}'.format(name, listed[name][:16], seen[:16]))
        progress.update(1, name[-40:])
    progress.close()
    return found


def check_content(folder, about):
    """Sentences about what is lacking for the use that the bundle was made for."""
    found = []
    if about['ledger'] != ledger.digest():
        found.append('it was made from another ledger: {} there, {} here; verify it with its own make'.format(
            about['ledger'][:12], ledger.digest()[:12]))
    if 'wheels' in about['parts']:
        held = bundle.hashes(os.path.join(folder, bundle.WHEELS))
        for name in bundle.lock_names(about['environments'], about['variant']):
            found += [
                'no wheel of {} that the lock {} admits'.format(package, name)
                for package in bundle.lacking(name, held)
            ]
        for env in about['environments']:
            ops = ledger.environment(env)['ops']
            if not bundle.operators(folder, env, about['variant']):
                found.append('no compiled {package} {version}'.format(**ops))
            if ops['sha256'] not in held:
                found.append('no source of {package}: {sdist}'.format(**ops))
    for name, entry in sorted(about['images'].items()):
        found += check_archive(os.path.join(folder, name), entry['tags'], name)
    return found


def check_archive(path, tags, name):
    """Sentences about a docker archive: are its images those that the bundle says, of this ledger?"""
    try:
        with tarfile.open(path) as stream:
            manifest = json.loads(stream.extractfile('manifest.json').read().decode('utf-8'))
            configs = [json.loads(stream.extractfile(item['Config']).read().decode('utf-8')) for item in manifest]
    except (OSError, KeyError, ValueError, tarfile.TarError) as error:
        return ['{} is no docker archive: {}'.format(name, error)]
    seen = sorted(tag for item in manifest for tag in item['RepoTags'] or ())
    found = [] if seen == sorted(tags) else ['{} holds {}, not {}'.format(name, ', '.join(seen), ', '.join(tags))]
    for item, config in zip(manifest, configs):
        labels = (config.get('config') or {}).get('Labels') or {}
        env = labels.get('org.mtp.environment')
        if name != bundle.BASES and (env is None or labels.get(host.DIGEST_LABEL) != ledger.digest(env)):
            found.append('{}: {} is not of this ledger'.format(name, item['RepoTags']))
    return found


def without_network():
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


def use_offline(folder, env):
    """Make the native environment of ``env`` from the bundle alone, and ask it for its self-check.

    Raises:
        MTPError: it fails.
    """
    words, kept = without_network(), tempfile.mkdtemp(prefix='mtp-offline-')
    try:
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith(('PIP_', 'UV_', 'MTP_')) and not name.lower().endswith('_proxy')}
        environment.update(HOME=kept, ENV=env, MTP_VENV_ROOT=os.path.join(kept, 'venv'), MTP_CACHE_ROOT=os.path.join(
            kept, 'cache'), PIP_NO_CACHE_DIR='1', PYTHONDONTWRITEBYTECODE='1', PYTHON38=python38(env))
        if execute.call(words + [sys.executable, '-m', 'mtp.launch', 'setup'], environment, folder):
            raise MTPError('setting up {} from the bundle without network failed'.format(env), code=FAILED)
    finally:
        shutil.rmtree(kept, ignore_errors=True)


def python38(env):
    """The Python 3.8 of this machine, found before HOME is hidden."""
    from mtp.launch import pythons
    return pythons.find(os.environ, ledger.environment(env)['python']['shipped'])[0]


def main():
    """Verify the bundle BUNDLE; exit code 1 names everything that is wrong."""
    settings = from_environ(os.environ)
    own = bool(bundle.read(ledger.ROOT))
    folder = os.path.abspath(settings.words['BUNDLE'] or (
        ledger.ROOT if own else os.path.join(ledger.ROOT, settings.work_root, 'bundle')))
    about = bundle.read(folder)
    if not about:
        raise MTPError('{} is no bundle'.format(folder), hint='make bundle, or BUNDLE=folder')
    wrong = check_sums(folder) + check_content(folder, about)
    if wrong:
        raise MTPError('{} is not what it should be:\n  {}'.format(folder, '\n  '.join(wrong)), code=FAILED,
                       hint='copy it again, or make bundle OUT=' + folder)
    wheels = len(glob.glob(os.path.join(folder, bundle.WHEELS, '*.whl')))
    print('{}: whole; {} wheels, {} image archives, {} SIFs, for {} ({})'.format(
        folder, wheels, len(about['images']), len(glob.glob(os.path.join(folder, 'apptainer', '*.sif'))),
        ' and '.join(about['environments']), about['variant']))
    for note in about['left_out']:
        print('left out: ' + note)
    if settings.words['OFFLINE']:
        for env in about['environments']:
            use_offline(folder, env)
        print('without network: ' + ' and '.join(about['environments']) + ' set up from the bundle alone')
    return OK


if __name__ == '__main__':
    run_main(main)
