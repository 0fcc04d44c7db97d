"""The ledger: every version of every environment, and all that code knows of one, from ``docker/environments.json``.

Everything that repeats a version is generated from it (:mod:`mtp.launch.generated`):
``python3 -m mtp.launch.ledger --write`` rewrites those files, ``--check`` fails when one differs.

Standard library only, Python >= 3.6.
"""
import argparse
import hashlib
import json
import os
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from mtp.errors import FAILED, OK, MTPError, run_main

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATH = os.path.join(ROOT, 'docker', 'environments.json')
UNRESOLVED = 'unresolved'
SCHEMA = 2


def load(path: str = PATH) -> Dict[str, Any]:
    """The whole ledger as nested dicts.

    Raises:
        MTPError: the file is missing, not JSON, or of another schema.
    """
    try:
        with open(path, encoding='utf-8') as stream:
            ledger = json.load(stream)
    except (OSError, ValueError) as error:
        raise MTPError(f'cannot read the ledger {path}: {error}',
                       hint='git checkout docker/environments.json')
    if ledger.get('schema') != SCHEMA:
        raise MTPError('{} has schema {!r}, this code reads schema {}'.format(path, ledger.get('schema'), SCHEMA),
                       hint='git checkout docker/environments.json')
    return ledger


def names() -> List[str]:
    """Names of the environments, in the ledger's order."""
    return list(load()['environments'])


def recorded() -> List[str]:
    """Names of the environments whose numbers count: what a verb works on when nobody names one."""
    return [name for name in names() if environment(name)['record']]


def standing(name: str) -> str:
    """What has to be said beside every number that an environment gives; '' where its numbers count."""
    if environment(name)['record']:
        return ''
    return f'not for the record: {name} has other toolboxes than the published numbers were made with'


def published(name: str) -> str:
    """The environment of the record whose configs, and so whose published runs, ``name`` shares: often itself."""
    same = sharing(environment(name)['configs'])
    return next((each for each in [name] + same if each in recorded()), name)


def variants(name: Optional[str] = None) -> List[str]:
    """Names of the variants of one environment, the nearest to the record first; without a name of all of them."""
    entries = load()['environments']
    asked = [_pick(entries, name, 'environment')] if name else entries.values()
    return list(dict.fromkeys(kind for entry in asked for kind in entry['variants']))


def _pick(group: Mapping[str, Any], name: str, what: str, setting: str = 'ENV') -> Any:
    if name not in group:
        raise MTPError('there is no {} {!r}; known: {}'.format(what, name, ', '.join(group)),
                       hint='{}={}'.format(setting, next(iter(group), '')))
    return group[name]


def environment(name: str) -> Dict[str, Any]:
    """The entry of one environment; its fields are told in ``docker/README.md``.

    Raises:
        MTPError: no environment of that name; the message lists the known ones.
    """
    return _pick(load()['environments'], name, 'environment')


def variant(name: str, kind: str) -> Dict[str, Any]:
    """One variant of an environment, with what it takes from the one that it is ``like``; an absent ``cuda`` is ''.

    Raises:
        MTPError: the environment has no variant of that name; the message lists those that it has.
    """
    ledger = load()
    found = _pick(ledger['environments'], name, 'environment')
    own = dict(_pick(found['variants'], kind, 'variant of ' + name, 'VARIANT'))
    shared = _pick(ledger['variants'], own.pop('like'), 'shared variant') if 'like' in own else {}
    own = dict({'cuda': '', 'index': '', 'wheels': {}, 'packages': {}, 'ops_patches': [], 'drops': []},
               **dict(shared, **own))
    # libraries that no variant of the environment brings
    return dict(own, outside=dict(found['outside'], **own.get('outside', {}))) if 'outside' in found else own


def plain(name: str) -> str:
    """The variant of an environment that computes on processors alone."""
    kinds = variants(name)
    return next((kind for kind in kinds if not variant(name, kind)['cuda']), kinds[0])


def with_cuda(name: str) -> List[str]:
    """Variants of an environment that have code for NVIDIA cards, the nearest to the record first."""
    return [kind for kind in variants(name) if variant(name, kind)['cuda']]


def headers(kind: str) -> str:
    """Name of the lock of what the compiler for cards includes, behind that of the environment: ``nvcc_cu117``."""
    return 'nvcc_' + kind


def serving(role: str) -> List[str]:
    """Environments that can do what ``role`` says (``pretrain``, ``train``, ``test``, ``tools``); the preferred first.

    Raises:
        MTPError: the ledger has none.
    """
    entries = load()['environments']
    found = [name for name, entry in entries.items() if role in entry['roles']]
    if not found:
        raise MTPError(f'the ledger has no environment with the role {role!r}')
    return sorted(found, key=lambda name: role not in entries[name]['preferred_for'])


def minor(name: str) -> str:
    """``3.8``: which Python an environment is made of, whatever its patch level."""
    return '.'.join(environment(name)['python']['shipped'].split('.')[:2])


def sharing(folder: str) -> List[str]:
    """Environments that run the configs below ``configs/<folder>``, in the ledger's order."""
    return [name for name, entry in load()['environments'].items() if entry['configs'] == folder]


def requirements(name: str) -> Dict[str, List[str]]:
    """``{runtime, development, installer, build}``: what our own code needs beside the pins of an environment."""
    return dict(load()['requirements'], **environment(name).get('requirements', {}))


def sources(name: str) -> List[str]:
    """Packages of an environment that the index has as a source archive alone; they are built without a compiler."""
    return list(environment(name).get('sources', []))


def module(package: str) -> str:
    """Name that a package is imported as."""
    return load()['modules'].get(package, package.replace('-', '_'))


def of_package(package: str) -> Optional[str]:
    """The environment whose compiled operators the package ``package`` (``mmcv``, ``mmcv-full``) holds, or None."""
    return next((name for name in names() if environment(name)['ops']['package'] == package), None)


def digest(name: Optional[str] = None) -> str:
    """SHA-256 of the ledger in canonical JSON, or of what one environment is made from (its entry and its variants)."""
    ledger = load()
    value = ledger if name is None else {
        'schema': ledger['schema'], 'environment': environment(name), 'requirements': requirements(name),
        'variants': {kind: variant(name, kind) for kind in variants(name)}}
    canonical = json.dumps(value, sort_keys=True, separators=(',', ':'), ensure_ascii=True)
    return hashlib.sha256(canonical.encode('ascii')).hexdigest()


# Files that decide, beside the ledger, what is in an image; a # begins a comment in a lock.
RECIPE = ('docker/Dockerfile', 'docker/image.sh', 'docker/build_ops.py', 'docker/slim.py')
LOCKS = ('{env}-{variant}', '{env}-ops', '{env}-pip', '{env}-build')
# What tells and what chooses, and decides nothing of what is in an image.
PROSE = ('about', 'reason', 'documented', 'evidenced', 'resolve', 'source', 'tag', 'serves', 'record', 'roles',
         'preferred_for', 'standing', 'driver', 'adapter', 'configs', 'generation', 'variants')


def inputs(name: str, kind: Optional[str] = None, root: str = ROOT) -> str:
    """SHA-256 of what goes into the image of one environment and variant: the label by which a stale one is known.

    That is the ledger's entries without their prose, the locks without their comments, and the recipe. Another
    environment, another variant or the text of a reason changes nothing; the code of this package is no part of it.

    Raises:
        MTPError: a lock is not there.
    """
    kind = kind or plain(name)
    asked = {'environment': _bare(environment(name)), 'variant': _bare(variant(name, kind))}
    total = hashlib.sha256(json.dumps(asked, sort_keys=True).encode('ascii'))
    locks = LOCKS + (('{env}-sources',) if sources(name) else ())
    locks += (('{env}-' + headers(kind),) if variant(name, kind)['cuda'] else ())
    paths = [f'docker/locks/{each.format(env=name, variant=kind)}.txt' for each in locks]
    for path in list(RECIPE) + paths:
        total.update(f'\n{path}\n'.encode('ascii'))
        try:
            with open(os.path.join(root, path), 'rb') as stream:
                total.update(b''.join(line for line in stream if path in RECIPE or not line.startswith(b'#')))
        except OSError as error:
            raise MTPError(f'cannot read {path}: {error.strerror}', hint='make lock')
    return total.hexdigest()


def _bare(value: Any) -> Any:
    if not isinstance(value, dict):
        return [_bare(item) for item in value] if isinstance(value, list) else value
    return {key: _bare(item) for key, item in value.items() if key not in PROSE}


def pins(name: str, kind: Optional[str] = None) -> Dict[str, Dict[str, Any]]:
    """``{package: {documented, evidenced, shipped, reason}}`` of a variant: the environment's, with what it changes."""
    found = dict(environment(name)['packages'])
    for package, changed in variant(name, kind or plain(name))['packages'].items():
        found[package] = dict(found.get(package, {'documented': None, 'evidenced': None}), **changed)
    return found


def shipped(name: str, kind: Optional[str] = None) -> Dict[str, str]:
    """Versions we install, ``{package: version}``."""
    return {package: pin['shipped'] for package, pin in pins(name, kind).items()}


def ops_flags(name: str, kind: str) -> Dict[str, str]:
    """Variables with which the operators of a variant are compiled; with cards, for which of them."""
    entry = variant(name, kind)
    cards = {'TORCH_CUDA_ARCH_LIST': ';'.join(entry['architectures'])} if entry['cuda'] else {}
    return dict(entry['ops_flags'], FORCE_CUDA='1' if entry['cuda'] else '0', **cards)


def image_reference(entry: Mapping[str, str]) -> str:
    """``name:tag@sha256:...`` of a base image, or ``name:tag`` while its digest is unresolved."""
    return entry['name'] if entry['digest'] == UNRESOLVED else '{}@{}'.format(entry['name'], entry['digest'])


def image_tag(name: str, kind: Optional[str] = None) -> str:
    """Name our own image is built, found and run under, for example ``mtp/mmrotate1:cpu``."""
    kind = kind or plain(name)
    variant(name, kind)
    return f'mtp/{name}:{kind}'


def unpinned(name: str, kind: Optional[str] = None) -> Dict[str, str]:
    """Base images that are taken by their tag, for nobody has seen their digest: ``{name: command that tells it}``."""
    entries = [environment(name)['python_image']] + [variant(name, kind or plain(name))[each]
                                                     for each in ('build_image', 'base_image')]
    return {entry['name']: entry['resolve'] for entry in entries if entry['digest'] == UNRESOLVED}


def build_args(name: str, kind: Optional[str] = None, revision: str = 'unknown', source: str = '') -> Dict[str, str]:
    """Build arguments of ``docker/Dockerfile`` as ``{ARG: value}``, in the order of the Dockerfile.

    Args:
        name: environment.
        kind: variant.
        revision: Git commit of the code that goes in (``git describe --always --dirty --abbrev=40``).
        source: address of the repository for the OCI label; empty where there is none.
    """
    kind = kind or plain(name)
    entry, chosen = environment(name), variant(name, kind)
    nvcc = chosen['nvcc'] if chosen['cuda'] else None
    return {
        'BUILD_IMAGE': image_reference(chosen['build_image']),
        'BASE_IMAGE': image_reference(chosen['base_image']),
        'PYTHON_IMAGE': image_reference(entry['python_image']),
        'ENV': name,
        'VARIANT': kind,
        'INDEX': chosen['index'],
        'NVCC': ' '.join(nvcc['packages']) if nvcc else '',
        'NVCC_BESIDE': ' '.join([nvcc['compiler']] + nvcc['beside']) if nvcc else '',
        'NVCC_COMPONENTS': nvcc['components'] if nvcc else '',
        'REVISION': revision,
        'SOURCE': source,
        'LEDGER_DIGEST': inputs(name, kind),
    }


def unseen(name: str, kind: str) -> Dict[str, str]:
    """Files of a variant whose download nobody here has seen, ``{file: index that should have it}``."""
    entry = variant(name, kind)
    return {wheel['file']: entry['index'] for wheel in entry['wheels'].values() if 'not seen' in wheel['source']}


def unresolved(name: Optional[str] = None, kind: Optional[str] = None) -> List[Tuple[str, str]]:
    """What nobody has resolved yet: list of (where in the ledger, command that resolves it).

    With names only what the image of that environment and variant is made from.
    """
    found, ledger = [], load()
    if name:
        kind = kind or plain(name)
        ledger = {'environments': {name: dict(environment(name), variants={kind: variant(name, kind)})}}

    def visit(value: object, where: str) -> None:
        if isinstance(value, dict):
            if UNRESOLVED in value.values():
                found.append((where, value.get('resolve', '')))
            for key, item in value.items():
                visit(item, where + '.' + key if where else key)

    visit(ledger, '')
    return found


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Print the table of the ledger, its digest or what is unresolved; write or check the generated files."""
    parser = argparse.ArgumentParser(prog='python3 -m mtp.launch.ledger', description=main.__doc__)
    action = parser.add_mutually_exclusive_group()
    action.add_argument('--write', action='store_true', help='rewrite every generated file')
    action.add_argument('--check', action='store_true', help='exit 1 when a generated file differs from the ledger')
    action.add_argument('--digest', nargs='?', const='', metavar='ENV', help='print the SHA-256 of the ledger')
    action.add_argument('--inputs', nargs=2, metavar=('ENV', 'VARIANT'), help='print the label of the image of these')
    action.add_argument('--drops', nargs=2, metavar=('ENV', 'VARIANT'), help='print what an image of these is '
                        'relieved of, as JSON')
    action.add_argument('--unresolved', action='store_true', help='print what is unresolved and the commands for it')
    options = parser.parse_args(argv)
    if options.digest is not None:
        print(digest(options.digest or None))
    elif options.drops:
        print(json.dumps(variant(*options.drops)['drops'], indent=1))
    elif options.inputs:
        print(inputs(*options.inputs))
    elif options.unresolved:
        for where, command in unresolved():
            print(f'{where}\n    {command}')
    else:
        return _generated(options)
    return OK


def _generated(options: argparse.Namespace) -> int:
    from mtp.launch import generated  # it reads this module: only a command line needs both
    if options.write:
        for name in generated.write():
            print('wrote ' + name)
        return OK
    wrong = generated.differing() if options.check else []
    if wrong:
        raise MTPError('differs from docker/environments.json: ' + ', '.join(wrong),
                       hint='python3 -m mtp.launch.ledger --write', code=FAILED)
    if not options.check:
        print(generated.readme_table())
    return OK


if __name__ == '__main__':
    run_main(main)
