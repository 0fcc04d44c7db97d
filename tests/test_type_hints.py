"""Rooms in which every public function says what it takes and gives; whether that is true is judged by mypy (ci/lint).

Read from the source: a function counts as public when no part of its name within the module begins with an underscore,
special methods aside.
"""
import ast
import glob
import os

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
GROUND = '.'  # the files beside the rooms
TYPED = (GROUND, 'adapters', 'boxes', 'browse', 'checkpoints', 'data', 'demo', 'distributed', 'launch', 'nn', 'own',
         'pickled', 'predict', 'pretrain', 'report', 'reproduce', 'submit', 'tiles', 'weights')


def sources(room):
    """The files of a room, or those beside the rooms."""
    below = '*.py' if room == GROUND else '**/*.py'
    return sorted(glob.glob(os.path.join(ROOT, 'mtp', room, below), recursive=True))


def public_functions(node, names=(), method=False):
    """(name within the module, definition, whether it is a method) of the public functions below ``node``."""
    for child in ast.iter_child_nodes(node):
        name = getattr(child, 'name', None)
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from public_functions(child, names, method)
        elif name.startswith('_') and not (name.startswith('__') and name.endswith('__')):
            continue
        elif isinstance(child, ast.ClassDef):
            yield from public_functions(child, names + (name,), True)
        else:  # what is defined inside a function is its own business
            yield '.'.join(names + (name,)), child, method


def lacks(function, method):
    """Names of the parameters without a hint, and ``return``."""
    given = function.args
    positional = getattr(given, 'posonlyargs', []) + given.args
    static = any(isinstance(each, ast.Name) and each.id == 'staticmethod' for each in function.decorator_list)
    if method and not static:
        positional = positional[1:]  # self or cls
    others = [each for each in (given.vararg, given.kwarg) if each]
    names = [each.arg for each in positional + given.kwonlyargs + others if each.annotation is None]
    return names + ([] if function.returns else ['return'])


def untyped(text):
    """``line: function: what it lacks`` for each public function of a source text that lacks a hint."""
    each = [(function.lineno, name, lacks(function, method))
            for name, function, method in public_functions(ast.parse(text))]
    return ['{}: {}: {}'.format(line, name, ', '.join(lacking)) for line, name, lacking in each if lacking]


@pytest.mark.parametrize('room', TYPED)
def test_every_public_function_of_a_typed_room_has_hints(room):
    assert sources(room)
    found = []
    for path in sources(room):
        with open(path, encoding='utf-8') as stream:
            found += [f'{os.path.relpath(path, ROOT)}:{line}' for line in untyped(stream.read())]
    assert not found, '\n'.join(found)


def test_every_room_is_in_the_list():
    rooms = {name for name in os.listdir(os.path.join(ROOT, 'mtp'))
             if os.path.isfile(os.path.join(ROOT, 'mtp', name, '__init__.py'))}
    assert sorted(TYPED) == sorted(rooms | {GROUND})


@pytest.mark.parametrize('text, expected', [
    ('def f(a: int, *b: int, c: int = 0, **d: int) -> None: pass', []),
    ('def f(a, *b, c=0, **d) -> None: pass', ['1: f: a, c, b, d']),
    ('def f(): pass', ['1: f: return']),
    ('def _f(a): pass', []),
    ('def f() -> None:\n    def inner(a): pass', []),
    ('class A:\n    def __init__(self): pass', ['2: A.__init__: return']),
    ('class A:\n    def f(self, a: int): pass', ['2: A.f: return']),
    ('class A:\n    @staticmethod\n    def f(a) -> None: pass', ['3: A.f: a']),
    ('class A:\n    @classmethod\n    def f(cls) -> None: pass', []),
    ('class A:\n    @property\n    def f(self) -> int: pass', []),
    ('class _A:\n    def f(self): pass', []),
    ('if True:\n    def f(a: int): pass', ['2: f: return'])])
def test_a_missing_hint_is_told(text, expected):
    assert untyped(text) == expected
