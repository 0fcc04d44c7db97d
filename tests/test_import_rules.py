"""Who may import whom, read from the source, imports inside functions included."""
import ast
import glob
import os
import re
import subprocess
import sys
import sysconfig

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OPENMMLAB = ('mmcv', 'mmengine', 'mmdet', 'mmrotate', 'mmpretrain', 'mmcls', 'mmseg', 'opencd')
OPENMMLAB_2 = ('mmengine', 'mmpretrain', 'mmseg', 'opencd')
CORE = ('nn', 'boxes', 'checkpoints', 'pickled', 'tiles', 'submit', 'data', 'own')
# What a login node has to be able to run: Python 3.6 and its standard library. One a line: many hands add to it.
GROUND = (
    'mtp.backbones',
    'mtp.bare',
    'mtp.download',
    'mtp.errors',
    'mtp.faults',
    'mtp.files',
    'mtp.locks',
    'mtp.numbers',
    'mtp.ownership',
    'mtp.paths',
    'mtp.processes',
    'mtp.progress',
    'mtp.sealed',
    'mtp.terminal',
    'mtp.unpacking',
    'mtp.data.archives',
    'mtp.data.catalogue',
    'mtp.own.config',
)
BARE = tuple(name.replace('.', '/') + '.py' for name in GROUND) + (
    'mtp/__init__.py',
    'mtp/data/__init__.py',
    'mtp/data/fetching.py',
    'mtp/distributed/',
    'mtp/launch/',
    'mtp/own/__init__.py',
    'mtp/reproduce/__init__.py',
    'mtp/reproduce/__main__.py',
    'mtp/reproduce/results.py',
    'mtp/reproduce/stages.py',
    'mtp/weights/__init__.py',
    'mtp/weights/__main__.py',
    'mtp/weights/manifest.py',
    'mtp/weights/ready.py',
)
NEWER_THAN_36 = ('dataclasses', 'contextvars', 'graphlib', 'zoneinfo', 'tomllib', 'importlib.resources',
                 'importlib.metadata')


def sources(*starts):
    paths = [os.path.relpath(path, ROOT).replace(os.sep, '/')
             for path in glob.glob(os.path.join(ROOT, 'mtp', '**', '*.py'), recursive=True)]
    return sorted(path for path in paths if path.startswith(starts))


def parsed(path, **options):
    with open(os.path.join(ROOT, path), encoding='utf-8') as stream:
        return ast.parse(stream.read(), path, **options)


def written(node):
    """The name that a call of ``import_module`` has as its argument, as far as it is written there, else ''."""
    called = getattr(node.func, 'attr', getattr(node.func, 'id', ''))
    if called not in ('import_module', 'importorskip', '__import__', 'run_module') or not node.args:
        return ''
    name = node.args[0]
    if isinstance(name, ast.Call) and getattr(name.func, 'attr', '') == 'format':
        name = name.func.value
    name = name.values[0] if isinstance(name, ast.JoinedStr) else name
    text = getattr(name, 'value', getattr(name, 's', ''))  # 's' before Python 3.8
    return text.partition('{')[0].rstrip('.') if isinstance(text, str) else ''


def imported(path, tree=None):
    """Full names of everything that ``path`` imports; ``from a import b`` gives ``a`` and ``a.b``.

    Those inside functions count, and so do names that stand as text in a call of ``import_module``.
    """
    found = set()
    package = os.path.dirname(path).replace('/', '.').split('.')
    for node in ast.walk(tree or parsed(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(package[:len(package) - node.level + 1]) if node.level else ''
            base = '.'.join(filter(None, [base, node.module]))
            found.add(base)
            found.update(f'{base}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Call):
            found.update(filter(None, [written(node)]))
    return found


# Modules that are typed, which no other imports, and which bring rooms together that know nothing of each other.
FACES = {
    'mtp/checkpoints/__main__.py': 'check --config builds the model of a toolbox',
    'mtp/data/spacenet.py': 'a command: reads pixels as every verb does (tiles)',
    'mtp/data/xview2coco.py': 'a command: reads pixels as every verb does (tiles)',
}


def room(name):
    """The room of a module: a folder of mtp/, or 'ground' for the files that lie beside the folders; '' of others."""
    top, _, rest = name.partition('.')
    first = rest.partition('.')[0]
    if top != 'mtp' or not first:
        return ''
    return first if os.path.isdir(os.path.join(ROOT, 'mtp', first)) else 'ground'


def rooms():
    """Names of all rooms but the ground floor."""
    return {room(path[:-3].replace('/', '.')) for path in sources('mtp/') if path not in DOORS} - {'ground'}


def arrows(paths, read=imported):
    """``{room: {room that it imports: files that do}}``; faces stand above the house."""
    found = {}
    for path in paths:
        own = room(path[:-3].replace('/', '.'))
        for other in {room(name) for name in read(path)} - {own, ''} if path not in FACES else ():
            found.setdefault(own, {}).setdefault(other, []).append(path)
    return found


def circles(found):
    """Pairs of rooms that reach each other, with the files that tie them."""
    def reached(start):
        seen, todo = set(), [start]
        while todo:
            new = set(found.get(todo.pop(), ())) - seen
            seen |= new
            todo += new
        return seen

    reach = {own: reached(own) for own in found}
    return ['{} -> {}: {}'.format(own, other, ', '.join(files)) for own in sorted(found)
            for other, files in sorted(found[own].items()) if own in reach.get(other, ())]


# What others start from, and mtp.bare, which speaks where nothing of the house could begin: they stand on no floor.
DOORS = ('mtp/__init__.py', 'mtp/__main__.py', 'mtp/bare.py', 'mtp/timm_models.py')


def test_no_circle_joins_two_rooms():
    assert circles(arrows([path for path in sources('mtp/') if path not in DOORS])) == []


def test_the_table_of_rooms_is_what_the_source_says():
    with open(os.path.join(ROOT, 'docs', 'architecture.md'), encoding='utf-8') as stream:
        table = dict(re.findall(r'^\| `(\w+)` \| [^|]* \| ([^|]*) ?\|$', stream.read(), re.M))
    told = {own: set(filter(None, text.strip().split(', '))) for own, text in table.items()}
    found = arrows([path for path in sources('mtp/') if path not in DOORS])
    seen = {own: set(found.get(own, ())) - {'ground'} for own in rooms()}
    assert told == seen, 'docs/architecture.md, column imports: write a new arrow there, or do without it'


def test_a_face_is_imported_by_nobody():
    for face, why in FACES.items():
        name = face[:-3].replace('/', '.')
        assert why and not [path for path in sources('mtp/') if name in imported(path)], face


def test_a_circle_is_found_also_through_a_late_import_and_a_name_in_text():
    texts = {'mtp/nn/a.py': 'import mtp.boxes.b', 'mtp/boxes/b.py': 'def f():\n    from mtp.tiles import c',
             'mtp/tiles/c.py': "import importlib\nimportlib.import_module('mtp.nn.{}'.format(1))", 'mtp/submit/d.py':
             'import mtp.nn'}
    found = circles(arrows(texts, lambda path: imported(path, ast.parse(texts[path]))))
    assert found == ['boxes -> tiles: mtp/boxes/b.py', 'nn -> boxes: mtp/nn/a.py', 'tiles -> nn: mtp/tiles/c.py']


def test_every_import_of_ours_leads_to_a_module():
    modules = {path[:-3].replace('/', '.').replace('.__init__', '') for path in sources('mtp/')}
    outside = ['main_pretrain.py'] + [os.path.relpath(path, ROOT) for room in ('ci', 'scripts', 'tests', 'tools')
                                      for path in glob.glob(os.path.join(ROOT, room, '**', '*.py'), recursive=True)]
    for path in sources('mtp/') + outside:
        for node in ast.walk(parsed(path)):
            names = {written(node)} if isinstance(node, ast.Call) else set()
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = {node.module}
            assert not [name for name in below(names, 'mtp') if name not in modules], path


def below(names, *packages):
    """Those of ``names`` that are one of ``packages`` or lie in it."""
    return sorted(name for name in names
                  if any(name == package or name.startswith(package + '.') for package in packages))


@pytest.mark.parametrize('room', CORE + ('report',))
def test_the_core_knows_nothing_of_openmmlab(room):
    for path in sources(f'mtp/{room}/'):
        assert not below(imported(path), *OPENMMLAB), path


@pytest.mark.parametrize('room', CORE)
def test_the_core_imports_no_adapter_and_no_pretraining(room):
    for path in sources(f'mtp/{room}/'):
        if path not in FACES:
            assert not below(imported(path), 'mtp.adapters', 'mtp.pretrain', 'mtp.demo'), path


@pytest.mark.parametrize('own, other', [('mmrotate1', 'mmrotate03'), ('mmrotate03', 'mmrotate1')])
def test_no_adapter_imports_the_other(own, other):
    for path in sources(f'mtp/adapters/{own}/'):
        assert not below(imported(path), 'mtp.adapters.' + other), path


def test_the_old_adapter_imports_nothing_of_openmmlab_2():
    for path in sources('mtp/adapters/mmrotate03/'):
        assert not below(imported(path), 'mtp.pretrain', *OPENMMLAB_2), path


def test_pretraining_builds_on_one_adapter():
    for path in sources('mtp/pretrain/'):
        assert not below(imported(path), 'mtp.adapters.mmrotate03', 'mtp.launch.verbs', 'mtp.demo'), path


# What each room of pretraining may import of the others: what stands before it. Tasks and recipe serve all of them.
PRETRAIN = ('data', 'model', 'engine')
PRETRAIN_GROUND = ('tasks', 'recipe')


@pytest.mark.parametrize('room', PRETRAIN + PRETRAIN_GROUND)
def test_rooms_of_pretraining_import_what_stands_below_them(room):
    place = PRETRAIN.index(room) if room in PRETRAIN else 0
    allowed = PRETRAIN_GROUND + PRETRAIN[:place] + (room,)
    paths = sources(f'mtp/pretrain/{room}/', f'mtp/pretrain/{room}.py')
    assert paths
    for path in paths:
        names = set(below(imported(path), 'mtp.pretrain')) - {'mtp.pretrain'}
        assert names == set(below(names, *('mtp.pretrain.' + name for name in allowed))), path


@pytest.mark.parametrize('command', ['cli', 'preview', 'validate'])
def test_no_module_of_pretraining_imports_one_of_its_commands(command):
    assert not [path for path in sources('mtp/pretrain/') if 'mtp.pretrain.' + command in imported(path)]


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
    allowed = GROUND + ('mtp.distributed', 'mtp.launch')
    allowed += ('mtp.reproduce', 'mtp.reproduce.results', 'mtp.reproduce.stages') if 'reproduce' in path else ()
    allowed += ('mtp.weights', 'mtp.reproduce', 'mtp.reproduce.results') if 'weights' in path else ()
    assert own - {'mtp', 'mtp.data', 'mtp.own'} == set(below(own, *allowed))
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
