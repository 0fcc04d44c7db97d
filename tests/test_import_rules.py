"""Who may import whom (DESIGN.md, section 1), read from the source, imports inside functions included."""
import ast
import glob
import os
import subprocess
import sys
import sysconfig

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OPENMMLAB = ('mmcv', 'mmengine', 'mmdet', 'mmrotate', 'mmpretrain', 'mmcls', 'mmseg', 'opencd')
OPENMMLAB_2 = ('mmengine', 'mmpretrain', 'mmseg', 'opencd')
CORE = ('nn', 'boxes', 'checkpoints', 'tiles', 'submit', 'data')
# What a login node has to be able to run: Python 3.6 and its standard library.
BARE = ('mtp/__init__.py', 'mtp/errors.py', 'mtp/paths.py', 'mtp/files.py', 'mtp/progress.py',
        'mtp/processes.py', 'mtp/launch/', 'mtp/data/__init__.py', 'mtp/data/catalogue.py',
        'mtp/reproduce/__init__.py', 'mtp/reproduce/__main__.py', 'mtp/reproduce/results.py', 'mtp/reproduce/stages.py')
NEWER_THAN_36 = ('dataclasses', 'contextvars', 'graphlib', 'zoneinfo', 'tomllib', 'importlib.resources',
                 'importlib.metadata')


def sources(*starts):
    paths = [os.path.relpath(path, ROOT).replace(os.sep, '/')
             for path in glob.glob(os.path.join(ROOT, 'mtp', '**', '*.py'), recursive=True)]
    return sorted(path for path in paths if path.startswith(starts))


def parsed(path, **options):
    with open(os.path.join(ROOT, path), encoding='utf-8') as stream:
        return ast.parse(stream.read(), path, **options)


def imported(path, tree=None):
    """Full names of everything that ``path`` imports; ``from a import b`` gives ``a`` and ``a.b``."""
    found = set()
    package = os.path.dirname(path).replace('/', '.').split('.')
    for node in ast.walk(tree or parsed(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(package[:len(package) - node.level + 1]) if node.level else ''
            base = '.'.join(filter(None, [base, node.module]))
            found.add(base)
            found.update('{}.{}'.format(base, alias.name) for alias in node.names)
    return found


def below(names, *packages):
    """Those of ``names`` that are one of ``packages`` or lie in it."""
    return sorted(name for name in names
                  if any(name == package or name.startswith(package + '.') for package in packages))


@pytest.mark.parametrize('room', CORE + ('report',))
def test_the_core_knows_nothing_of_openmmlab(room):
    for path in sources('mtp/{}/'.format(room)):
        assert not below(imported(path), *OPENMMLAB), path


@pytest.mark.parametrize('room', CORE)
def test_the_core_imports_no_adapter_and_no_pretraining(room):
    for path in sources('mtp/{}/'.format(room)):
        assert not below(imported(path), 'mtp.adapters', 'mtp.pretrain', 'mtp.demo'), path


@pytest.mark.parametrize('own, other', [('mmrotate1', 'mmrotate03'), ('mmrotate03', 'mmrotate1')])
def test_no_adapter_imports_the_other(own, other):
    for path in sources('mtp/adapters/{}/'.format(own)):
        assert not below(imported(path), 'mtp.adapters.' + other), path


def test_the_old_adapter_imports_nothing_of_openmmlab_2():
    for path in sources('mtp/adapters/mmrotate03/'):
        assert not below(imported(path), 'mtp.pretrain', *OPENMMLAB_2), path


def test_pretraining_builds_on_one_adapter():
    for path in sources('mtp/pretrain/'):
        assert not below(imported(path), 'mtp.adapters.mmrotate03', 'mtp.launch.verbs', 'mtp.demo'), path


def test_the_package_imports_no_test_and_no_tool():
    for path in sources('mtp/'):
        assert not below(imported(path), 'tests', 'tools', 'scripts', 'ci', 'main_pretrain'), path


def is_standard(name):
    top = name.split('.')[0]
    if hasattr(sys, 'stdlib_module_names'):
        return top in sys.stdlib_module_names
    if top in sys.builtin_module_names:
        return True
    places = [sysconfig.get_paths()[key] for key in ('stdlib', 'platstdlib')]
    places += [os.path.join(place, 'lib-dynload') for place in places]
    return any(os.path.exists(os.path.join(place, top + suffix)) or glob.glob(os.path.join(place, top + '.*.so'))
               for place in places for suffix in ('', '.py'))


def test_the_judge_of_standard_modules_is_awake():
    assert all(map(is_standard, ('os', 'sys', 'json', 'socket', 'math', 'time', 'importlib.util', '_struct')))
    assert not any(map(is_standard, ('numpy', 'torch', 'pytest', 'mmcv', 'mtp', 'nothing_of_that_name')))


@pytest.mark.parametrize('path', sources(*BARE))
def test_the_launcher_is_standard_library_of_python_36(path):
    tree = parsed(path, feature_version=(3, 6))
    names = imported(path, tree)
    own = set(below(names, 'mtp'))
    allowed = ('mtp.errors', 'mtp.paths', 'mtp.files', 'mtp.progress', 'mtp.processes', 'mtp.launch',
               'mtp.data.catalogue')
    allowed += ('mtp.reproduce', 'mtp.reproduce.results', 'mtp.reproduce.stages') if 'reproduce' in path else ()
    assert own - {'mtp', 'mtp.data'} == set(below(own, *allowed))
    assert all(is_standard(name) for name in names - own), names - own
    assert not below(names, *NEWER_THAN_36)
    assert '__future__.annotations' not in names
    keywords = set(node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword))
    assert not keywords & {'capture_output', 'dirs_exist_ok', 'missing_ok'}


def old_python():
    """A Python 3.6 on this machine, or None."""
    places = ['python3.6'] + glob.glob(os.path.expanduser('~/.pyenv/versions/3.6.*/bin/python'))
    for place in places:
        try:
            said = subprocess.check_output([place, '--version'], stderr=subprocess.STDOUT)
        except (OSError, subprocess.CalledProcessError):
            continue
        if said.startswith(b'Python 3.6'):
            return place
    return None


def test_the_launcher_runs_on_python_36():
    python = old_python()
    if not python:
        pytest.skip('no Python 3.6 on this machine')
    modules = [path[:-3].replace('/', '.').replace('.__init__', '') for path in sources(*BARE)]
    code = 'import importlib\nfor name in {!r}: importlib.import_module(name)'.format(
        [name for name in modules if not name.endswith('__main__')])
    subprocess.check_call([python, '-c', code], cwd=ROOT)
    said = subprocess.check_output([python, '-m', 'mtp.launch', 'check', 'DRYRUN=1'], cwd=ROOT)
    assert b'-m pytest' in said


def test_all_rules_have_something_to_judge():
    assert len(sources(*BARE)) > 10 and len(sources('mtp/')) > 20
