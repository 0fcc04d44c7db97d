"""The ledger: every version of both environments, read from ``docker/environments.json``.

Everything that repeats a version is generated from it (:mod:`mtp.launch.generated`):
``python3 -m mtp.launch.ledger --write`` rewrites those files, ``--check`` fails when one differs.

Standard library only, Python >= 3.6.
"""
import argparse
import hashlib
import json
import os

from mtp.errors import FAILED, OK, MTPError, run_main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(ROOT, 'docker', 'environments.json')
UNRESOLVED = 'unresolved'


def load(path=PATH):
    """The whole ledger as nested dicts.

    Raises:
        MTPError: the file is missing, not JSON, or of another schema.
    """
    try:
        with open(path, encoding='utf-8') as stream:
            ledger = json.load(stream)
    except (OSError, ValueError) as error:
        raise MTPError('cannot read the ledger {}: {}'.format(path, error),
                       hint='git checkout docker/environments.json')
    if ledger.get('schema') != 1:
        raise MTPError('{} has schema {!r}, this code reads schema 1'.format(path, ledger.get('schema')))
    return ledger


def names():
    """Names of the environments, in the ledger's order."""
    return list(load()['environments'])


def variants():
    """Names of the image variants (``cpu``, ``cu113``)."""
    return list(load()['variants'])


def _pick(group, name, what):
    if name not in group:
        raise MTPError('there is no {} {!r}; known: {}'.format(what, name, ', '.join(group)))
    return group[name]


def environment(name):
    """The entry of one environment: ``python``, ``python_image``, ``packages``, ``ops``, ``git``, ``serves``.

    Raises:
        MTPError: no environment of that name; the message lists the known ones.
    """
    return _pick(load()['environments'], name, 'environment')


def variant(name):
    """One variant: ``local_version``, ``wheels``, ``index``, ``ops_flags``, ``build_image``, ``base_image``."""
    return _pick(load()['variants'], name, 'variant')


def digest(name=None):
    """SHA-256 of the ledger in canonical JSON, or of what one environment is made from (its entry and the variants)."""
    ledger = load()
    value = ledger if name is None else {'schema': ledger['schema'], 'environment': environment(name),
                                         'variants': ledger['variants'], 'requirements': ledger['requirements']}
    canonical = json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=True)
    return hashlib.sha256(canonical.encode('ascii')).hexdigest()


def shipped(name, variant_name='cpu'):
    """Versions we install, ``{package: version}``, with the local part (``+cu113``) that the variant gives to torch."""
    wheels, local = variant(variant_name)['wheels'], variant(variant_name)['local_version']
    return {package: entry['shipped'] + (local if package in wheels else '')
            for package, entry in environment(name)['packages'].items()}


def image_reference(entry):
    """``name:tag@sha256:...`` of a base image, or ``name:tag`` while its digest is unresolved."""
    return entry['name'] if entry['digest'] == UNRESOLVED else '{}@{}'.format(entry['name'], entry['digest'])


def image_tag(name, variant_name='cpu'):
    """Name our own image is built, found and run under, for example ``mtp/mmrotate1:cpu``."""
    environment(name)
    variant(variant_name)
    return 'mtp/{}:{}'.format(name, variant_name)


def build_args(name, variant_name='cpu', revision='unknown', source=''):
    """Build arguments of ``docker/Dockerfile`` as ``{ARG: value}``, in the order of the Dockerfile.

    Args:
        name: environment.
        variant_name: variant.
        revision: Git commit of the code that goes in (``git describe --always --dirty --abbrev=40``).
        source: address of the repository for the OCI label; empty where there is none.
    """
    entry, kind = environment(name), variant(variant_name)
    return {
        'BUILD_IMAGE': image_reference(kind['build_image']),
        'BASE_IMAGE': image_reference(kind['base_image']),
        'PYTHON_IMAGE': image_reference(entry['python_image']),
        'ENV': name,
        'VARIANT': variant_name,
        'INDEX': kind['index'],
        'GIT_SOURCES': ' '.join('git+{url}@{commit}'.format(**pin) for pin in entry['git'].values()
                                if pin['commit'] != UNRESOLVED),
        'REVISION': revision,
        'SOURCE': source,
        'LEDGER_DIGEST': digest(name),
    }


def unresolved():
    """What nobody has resolved yet: list of (where in the ledger, command that resolves it)."""
    found = []

    def visit(value, where):
        if isinstance(value, dict):
            if UNRESOLVED in value.values():
                found.append((where, value.get('resolve', '')))
            for key, item in value.items():
                visit(item, where + '.' + key if where else key)

    visit(load(), '')
    return found


def readme_table():
    """Markdown table of both environments: what is shipped, and what was published where it differs."""
    pins = {name: _pins(name) for name in names()}
    packages = list(dict.fromkeys(package for found in pins.values() for package in found))
    lines = ['| | ' + ' | '.join(pins) + ' |', '|---' * (1 + len(pins)) + '|',
             '| serves | ' + ' | '.join(environment(name)['serves'] for name in pins) + ' |']
    for package in packages:
        lines.append('| ' + ' | '.join([package] + [_cell(found.get(package)) for found in pins.values()]) + ' |')
    return '\n'.join(lines)


def _pins(name):
    entry = environment(name)
    return dict([('Python', entry['python'])] + list(entry['packages'].items()) + list(entry['git'].items()))


def _cell(pin):
    """Version shipped, with the published one where that is no beginning of it."""
    if pin is None:
        return '–'
    published = pin['documented']
    differs = published and not (pin['shipped'] + '.').startswith(published + '.')
    return pin['shipped'] + (' (published: {})'.format(published) if differs else '')


def main(argv=None):
    """Print the table of the ledger, its digest or what is unresolved; write or check the generated files."""
    parser = argparse.ArgumentParser(prog='python3 -m mtp.launch.ledger', description=main.__doc__)
    action = parser.add_mutually_exclusive_group()
    action.add_argument('--write', action='store_true', help='rewrite every generated file')
    action.add_argument('--check', action='store_true', help='exit 1 when a generated file differs from the ledger')
    action.add_argument('--digest', nargs='?', const='', metavar='ENV', help='print the SHA-256 of the ledger')
    action.add_argument('--unresolved', action='store_true', help='print what is unresolved and the commands for it')
    options = parser.parse_args(argv)
    if options.digest is not None:
        print(digest(options.digest or None))
    elif options.unresolved:
        for where, command in unresolved():
            print('{}\n    {}'.format(where, command))
    elif options.write:
        from mtp.launch import generated  # it reads this module: only a command line needs both
        for name in generated.write():
            print('wrote ' + name)
    elif options.check:
        from mtp.launch import generated
        wrong = generated.differing()
        if wrong:
            raise MTPError('differs from docker/environments.json: ' + ', '.join(wrong),
                           hint='python3 -m mtp.launch.ledger --write', code=FAILED)
    else:
        print(readme_table())
    return OK


if __name__ == '__main__':
    run_main(main)
