"""Are two docker images the same? ``ci/same_image A B``; ``ci/same_image --twice mmrotate1`` builds one twice and asks.

The file trees are compared entry by entry: kind, rights, owner, link, content, time. A difference is listed, with its
reason where one is known; one without a reason fails. Exit code 4: no engine can be started here.
"""
import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import ledger  # noqa: E402

import engine  # noqa: E402
import images  # noqa: E402

# (what differs, pattern of the path, why). Anything else is a failure.
REASONS = (
    ('time', r'^(etc|opt|usr|usr/local|usr/local/\w+|var|var/cache|var/cache/ldconfig|data|weights|work|opt/\w+|tmp)?$',
     'folders that a layer touches get the time of the build from the engine; nothing reads it'),
    ('time', r'^(etc/(hosts|hostname|resolv\.conf|mtab)|\.dockerenv|dev(/.*)?|proc|sys)$',
     'made by the engine when the image is looked at, not part of it'),
)


def entries(client, image):
    """``{path: {'kind': ..., 'rights': ..., 'owner': ..., 'link': ..., 'content': ..., 'time': ...}}`` of an image."""
    name = subprocess.check_output([client, 'create', image, 'true']).decode().strip()
    try:
        export = subprocess.Popen([client, 'export', name], stdout=subprocess.PIPE)
        with tarfile.open(fileobj=export.stdout, mode='r|') as stream:
            found = {member.name.rstrip('/'): facts(stream, member) for member in stream}
        if export.wait():
            raise MTPError(f'docker export of {image} failed', code=FAILED)
        return found
    finally:
        subprocess.check_call([client, 'rm', '--force', '--volumes', name], stdout=subprocess.DEVNULL)


def facts(stream, member):
    """What is compared of one entry."""
    digest = ''
    if member.isreg():
        total = hashlib.sha256()
        content = stream.extractfile(member)
        for block in iter(lambda: content.read(1 << 20), b''):
            total.update(block)
        digest = total.hexdigest()
    return {'kind': member.type.decode(), 'rights': oct(member.mode), 'owner': (member.uid, member.gid),
            'link': member.linkname, 'content': digest, 'time': int(member.mtime)}


def differences(first, second):
    """(what, path) of everything that differs; an entry that one image lacks differs in ``presence``."""
    for path in sorted(set(first) | set(second)):
        if path not in first or path not in second:
            yield 'presence', path
            continue
        for what in first[path]:
            if first[path][what] != second[path][what]:
                yield what, path


def reason(what, path):
    """Why this may differ, or ''."""
    return next((why for kind, pattern, why in REASONS if kind == what and re.match(pattern, path)), '')


def config(client, image):
    """What the engine knows of an image beside its tree: all of it goes into the image's own digest."""
    found = json.loads(subprocess.check_output([client, 'image', 'inspect', image]).decode())[0]
    return {'created': found['Created'], 'config': found['Config']}


def report(client, one, other):
    """Print what differs between two images; returns whether all of it has a reason."""
    first, second = entries(client, one), entries(client, other)
    found, unexplained = {}, []
    for what, path in differences(first, second):
        why = reason(what, path)
        found.setdefault((what, why), []).append(path)
        if not why:
            unexplained.append(f'{what} of {path}')
    print(f'{len(first)} entries in {one}, {len(second)} in {other}')
    for (what, why), paths in sorted(found.items()):
        print('{:6d} differ in {}: {}{}'.format(len(paths), what, why or 'NO REASON IS KNOWN', ''.join(
            '\n         /' + path for path in paths[:12])))
    configs = config(client, one), config(client, other)
    if configs[0]['created'] != configs[1]['created']:
        print(
            '       the time of the build stands in the image\'s description, so its digest differs: {} and {}'.format(
                *(each['created'] for each in configs)))
    if configs[0]['config'] != configs[1]['config']:
        unexplained.append('the description')
        print('       the description differs: {} and {}'.format(*(each['config'] for each in configs)))
    return not unexplained


def build_twice(client, env):
    """Build ``env`` from one bundle twice, the second time without any cache; returns both names."""
    names = [f'mtp-same/{env}:{which}' for which in ('one', 'two')]
    folder = images.gather(client, [env])
    for name, more in zip(names, ('', '--no-cache')):
        images.build(folder, env, IMAGE=name, REBUILD='1', ARGS=more)
    return names


def main(argv=None):
    """Compare two images of the engine, or build one twice and compare."""
    parser = argparse.ArgumentParser(prog='ci/same_image', description=main.__doc__)
    parser.add_argument('images', nargs='*', help='two images')
    parser.add_argument('--twice', metavar='ENV', help='build it twice')
    options = parser.parse_args(argv)
    if bool(options.twice) == bool(options.images) or len(options.images) not in (0, 2):
        parser.error('two images, or --twice ENV')
    if options.twice:
        ledger.environment(options.twice)
    client = engine.ready()
    names = build_twice(client, options.twice) if options.twice else options.images
    try:
        same = report(client, *names)
    finally:
        if options.twice:
            subprocess.call([client, 'rmi', '--force'] + names, stdout=subprocess.DEVNULL)
    print('the same, but for what is listed with its reason' if same else 'NOT THE SAME')
    return OK if same else FAILED


if __name__ == '__main__':
    run_main(main)
