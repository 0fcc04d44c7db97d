"""Every hint can be typed as it stands: its command exists, takes these words, and its settings are read by something.

Hints are read from the source (``MTPError(..., hint=...)``, findings of the doctor, texts with ``next:``): new ones are
judged without being listed here. What a hint fills in at run time is tried with :data:`EXAMPLES`.
"""
import argparse
import ast
import difflib
import glob
import itertools
import os
import re
import runpy
import shlex
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, verbs
from mtp.launch.settings import from_environ

ROOT = ledger.ROOT
FILLED = '\0'  # stands for what is filled in at run time
#: What is tried for it, and for words in capitals (FILE, CONFIG).
EXAMPLES = ('dotav1', '3', 'sota', 'mmrotate1', 'encoder')
#: "make" as a word of English.
ENGLISH = {'it', 'room', 'this', 'that', 'a', 'an', 'the', 'one', 'again', 'samples:'}
#: Options, settings and modules of programs of others.
OF_OTHERS = {'--nproc_per_node', '--me', '--help', '--yes', 'TILED', 'NCCL_SOCKET_IFNAME', 'GLOO_SOCKET_IFNAME', 'pip',
             '--target', '--calc', '--outfile'}
SOURCES = [path for pattern in ('mtp/**/*.py', 'docker/*.py', 'ci/**/*.py', 'tools/*.py', 'main_pretrain.py')
           for path in glob.glob(os.path.join(ROOT, pattern), recursive=True)]


class Source:
    """A parsed file, and what its names stand for."""

    def __init__(self, path):
        self.path = os.path.relpath(path, ROOT)
        with open(path, encoding='utf-8') as stream:
            self.tree = ast.parse(stream.read())
        self.values, self.functions = {}, {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self.values.setdefault(node.targets[0].id, []).append(node.value)
            if isinstance(node, ast.FunctionDef):
                self.functions[node.name] = [each.value for each in ast.walk(node)
                                             if isinstance(each, ast.Return) and each.value is not None]

    def hints(self):
        """(line, text) of every hint."""
        pieces = {id(piece) for node in ast.walk(self.tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                called = getattr(node.func, 'id', getattr(node.func, 'attr', ''))
                given = [word.value for word in node.keywords if word.arg in ('hint', 'next')]
                given += node.args[1:2] if called == 'MTPError' else []
                for value in given:
                    yield from ((node.lineno, text) for text in self.texts(value))
            elif isinstance(node, (ast.Constant, ast.JoinedStr)) and id(node) not in pieces:
                for whole in self.texts(node):
                    for text in whole.split('next: ')[1:]:
                        yield node.lineno, re.sub(r'{[^{}]*}', FILLED, text)

    def texts(self, node, depth=0):
        """The texts that an expression can give."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return [node.value]
        if isinstance(node, ast.JoinedStr):
            return [''.join(part.value if isinstance(part, ast.Constant) else FILLED for part in node.values)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            pairs = itertools.product(self.texts(node.left, depth), self.texts(node.right, depth))
            return [left + right for left, right in pairs]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return [re.sub(r'%[a-z]', FILLED, text) for text in self.texts(node.left, depth)]
        if isinstance(node, ast.IfExp):
            return self.texts(node.body, depth) + self.texts(node.orelse, depth)
        if isinstance(node, ast.BoolOp):
            return [text for value in node.values for text in self.texts(value, depth)]
        if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'format':
            return [re.sub(r'{[^{}]*}', FILLED, text) for text in self.texts(node.func.value, depth)]
        name = getattr(node, 'id', None) or getattr(getattr(node, 'func', None), 'id', None)
        known = self.values.get(name, []) + self.functions.get(name, [])
        return [text for value in known for text in self.texts(value, depth + 1)] if depth < 3 and known else [FILLED]


ALL = [Source(path) for path in SOURCES]
PLACES = {text: (source.path, line) for source in ALL for line, text in source.hints() if text.strip(FILLED + ' ')}
HINTS = sorted(place + (text,) for text, place in PLACES.items())  # each text once
STRINGS = [node.value for source in ALL for node in ast.walk(source.tree)
           if isinstance(node, ast.Constant) and isinstance(node.value, str)]
OPTIONS = {text for text in STRINGS if re.fullmatch(r'--[\w-]+', text)} | OF_OTHERS
WORDS = OF_OTHERS | {word for text in STRINGS if '=' not in text
                     for word in [text] + re.findall(r'[A-Z][A-Z0-9_]+', text)}
#: Where a sentence goes on behind a command.
_END = r' (?:and|or|with|again|says?|tells|to|as|on|for|names|takes|merges|prepares|which|brings|behind)\b|: | then'


def commands(text):
    """Commands of ours in a hint, as lists of words: each goes on to a comma, a semicolon, a bracket or two blanks."""
    found = re.finditer(r'(?<![\w/.-])(?<!uv )(make|python3?|ci/\w+|scripts/\S+|tools/\S+)(?= |$)[^;,()\n]*', text)
    for match in found:
        yield shlex.split(re.split(_END, match.group())[0])


def test_no_text_for_a_user_keeps_a_brace_that_nothing_filled():
    """``.format`` was lost once where texts became f-strings, and the message named no file."""
    left = []
    for path in SOURCES:
        with open(path, encoding='utf-8') as stream:
            calls = [node for node in ast.walk(ast.parse(stream.read())) if isinstance(node, ast.Call)]
        for call in calls:
            called = getattr(call.func, 'id', getattr(call.func, 'attr', ''))
            given = call.args + [word.value for word in call.keywords if word.arg in ('hint', 'next', 'help')]
            left += [f'{path}:{each.lineno} {each.value}' for each in given
                     if called in ('MTPError', 'Problem', 'Finding', 'print', 'write', 'error') and isinstance(
                         each, ast.Constant) and re.search(r'{\w*(:[^{}\s]*)?}', str(each.value))]
    assert not left, left


@pytest.mark.parametrize('path, line, text', HINTS, ids=[f'{path}:{line}' for path, line, _ in HINTS])
def test_a_hint_can_be_typed(path, line, text, monkeypatch):
    judge(text, monkeypatch)


def judge(text, monkeypatch):
    text = re.sub(r'<[\w-]+>', FILLED, text)
    for words in commands(text):
        if words[0] == 'make':
            assert_verb(words)
        elif words[0].startswith('python') and len(words) > 1:
            assert_takes(words[1:], monkeypatch)
        elif '/' in words[0]:
            assert os.path.isfile(os.path.join(ROOT, words[0])), words[0]
    for option in re.findall(r'(?<![\w-])--[a-z][\w-]*', text):
        assert option in OPTIONS, f'nothing has the option {option}'
    for name in re.findall(r'(?<![\w-])([A-Z][A-Z0-9_]+)=', text):
        assert name in WORDS, f'nothing reads {name}'
    for place in re.findall(r'(?<![\w./{}-])((?:configs|docker|weights|docs|apptainer|mtp)/[\w./-]+)', text):
        whole = FILLED not in text[text.index(place):text.index(place) + len(place) + 1] and '...' not in place
        assert not whole or os.path.exists(os.path.join(ROOT, place.rstrip('.'))), place


#: What a hint begins with that is a command, and names of what stands for a path.
_COMMAND = re.compile(r'(ls|rm|mkdir|mv|cp|sed|make|python3?|gdal\w+|unzip|chmod) ')
_PATHS = {'path', 'folder', 'root', 'labels', 'out', 'pred', 'target', 'save_path', 'checkpoint',
          'abspath', 'dirname', 'join'}


def bare_paths(source):
    """``file:line: name`` of the paths that a command in a hint is given as they are: one with a blank is two words."""
    hints = [word.value for node in ast.walk(source.tree) if isinstance(node, ast.Call)
             for word in node.keywords if word.arg == 'hint']
    for whole in [node for hint in hints for node in ast.walk(hint)]:
        for given in filled_in(whole) if any(map(_COMMAND.match, source.texts(whole))) else ():
            inner = getattr(given, 'func', given)
            name = getattr(inner, 'attr', getattr(inner, 'id', ''))
            if name in _PATHS:
                yield f'{source.path}:{given.lineno}: {name}'


def filled_in(node):
    """What an f-string or a call of ``format`` puts into its text."""
    if isinstance(node, ast.JoinedStr):
        return [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
    if isinstance(node, ast.Call) and getattr(node.func, 'attr', '') == 'format':
        return node.args + [word.value for word in node.keywords]
    return []


@pytest.mark.parametrize('hint, bare', [
    ("'rm -r {}'.format(folder)", True), ("'rm -r {}'.format(quoted(folder))", False), ("f'ls -l {path}'", True),
    ("f'ls -l {quoted(path)}'", False), ("f'ls -l {os.path.dirname(out)}'", True), ("f'{path} is no folder'", False)])
def test_a_bare_path_is_found(tmp_path, hint, bare):
    (tmp_path / 'room.py').write_text(f'raise MTPError("no", hint={hint})\n')
    assert bool(list(bare_paths(Source(str(tmp_path / 'room.py'))))) == bare


def test_a_path_in_a_command_is_quoted():
    assert [each for source in ALL if source.path.startswith('mtp') for each in bare_paths(source)] == []


def assert_verb(words):
    if len(words) == 1 or words[1] in ENGLISH:
        return
    verb = words[1].replace(FILLED, 'dotav1')
    assert verb in verbs.names() + ['help', 'cluster-up', 'cluster-down'] or FILLED in words[1], 'make ' + words[1]
    for word in words[2:]:
        assert word.split('=')[0] in WORDS or '=' not in word, word


class Parsed(BaseException):
    """The words were understood."""


def assert_takes(words, monkeypatch):
    """A module or program of ours is there and its parser understands the words, with one of the examples filled in."""
    assert '...' not in words and '…' not in words, 'this cannot be typed'
    if words[0] == '-m' and words[1] in OF_OTHERS:
        return
    assert program_of(words), 'there is no program {}'.format(' '.join(words[:2]))
    if words[0] == '-m' and words[1].startswith('mtp.launch'):  # it has no parser to ask, and would do it
        if words[1] == 'mtp.launch':
            assert_verb(['make'] + words[2:])
        return
    said = []
    for example in EXAMPLES:
        filled = [example if re.fullmatch(r'[A-Z]{2,}', word) else word.replace(FILLED, example) for word in words]
        outcome = parse(filled, monkeypatch)
        if outcome is None:
            return
        said.append(outcome)
    pytest.fail('{} is not understood: {}'.format(' '.join(words), said[0]))


def program_of(words):
    if words[0] == '-m':
        base = os.path.join(ROOT, *words[1].split('.'))
        return os.path.isfile(base + '.py') or os.path.isfile(os.path.join(base, '__main__.py'))
    return os.path.isfile(os.path.join(ROOT, words[0]))


def parse(words, monkeypatch):
    """None where the program's parser takes the words, else what it says against them; nothing is done."""
    whole, errors = argparse.ArgumentParser.parse_known_args, []

    def parse_only(parser, args=None, namespace=None):
        whole(parser, args, namespace)
        raise Parsed

    def error(parser, message):
        errors.append(message)
        raise SystemExit(2)
    with monkeypatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, 'parse_args', parse_only)
        patch.setattr(argparse.ArgumentParser, 'error', error)
        run = runpy.run_module if words[0] == '-m' else runpy.run_path
        rest = words[2:] if words[0] == '-m' else words[1:]
        patch.setattr(sys, 'argv', [words[1] if words[0] == '-m' else words[0]] + rest)
        patch.setattr(sys, 'path', [ROOT] + sys.path)
        try:
            run(words[1] if words[0] == '-m' else os.path.join(ROOT, words[0]), run_name='__main__')
        except Parsed:
            return None
        except SystemExit as end:
            return None if not end.code else '; '.join(errors) or f'exit code {end.code}'
        except ImportError as problem:
            pytest.skip(f'not of this environment: {problem}')
    return None


@pytest.mark.parametrize('text', [
    'make pretrian', 'make data-dotav9', 'python -m mtp.nothing', 'python -m mtp.submit validate a.zip',
    'python -m mtp.data describe', 'python scripts/dior_h_2_coco.py --no-such-option', 'add --lenyent',
    'MTP_WORK_ROOOT=folder make demo', 'see weights/manifesto.json', 'python -m mtp.tiles.cut ...', 'ci/nothing'])
def test_a_hint_that_cannot_be_typed_is_found(text, monkeypatch):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        judge(text, monkeypatch)


def test_hints_are_found():
    """In files of every room; fewer would mean that the search has gone blind."""
    rooms = {path.split('/')[1] for path, _, _ in HINTS}
    assert len(HINTS) > 200 and {'data', 'tiles', 'submit', 'launch', 'pretrain', 'adapters', 'checkpoints'} <= rooms
    assert sum(bool(list(commands(text))) for _, _, text in HINTS) > 60


def test_a_misspelt_verb_is_answered_with_verbs_that_exist():
    for wrong in ('pretran', 'finetun', 'test-dtoa', 'data-eurosatt', 'setpu'):
        with pytest.raises(MTPError) as raised:
            verbs.plan(wrong, from_environ({'HOME': '/home/user'}), None)
        offered = re.findall(r'make ([\w-]+)', raised.value.hint)
        assert offered and set(offered) <= set(verbs.names()) | {'help'}
        assert difflib.get_close_matches(wrong, offered)
