"""Every number that can be typed is read by one function, and what is none is told in a sentence with exit code 2."""
import argparse
import ast
import glob
import importlib
import json
import os
import re
import sys

import pytest

from mtp import numbers
from mtp.distributed import rendezvous
from mtp.errors import MTPError
from mtp.launch import settings

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
NONE = ('nan', 'inf', '-inf', '1e400', '', ' ', '1_0', '²', '0x10', 'one', '1' * 5000, '1,5')
#: Module -> functions that make a command line, where that is not ``main``.
MAKERS = {'mtp.adapters.command': (), 'mtp.distributed.torchrun': (), 'mtp.data.loveda': ('main', 'flatten'),
          'mtp.predict.options': (), 'mtp.adapters.mmrotate1.cli': ('train', 'test'),
          'mtp.adapters.mmrotate03.cli': ('train', 'test'), 'mtp.pretrain.engine.options': ('parse',),
          'mtp.data.fetching': ()}


def sources():
    for path in sorted(glob.glob(os.path.join(ROOT, 'mtp', '**', '*.py'), recursive=True)):
        with open(path, encoding='utf-8') as stream:
            yield os.path.relpath(path, ROOT).replace(os.sep, '/'), stream.read()


def options_of(text):
    """(line, name of the type, names) of every ``add_argument`` in a source."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
            for keyword in node.keywords:
                if keyword.arg == 'type' and isinstance(keyword.value, ast.Name) and any(
                        isinstance(word, ast.Constant) and str(word.value).startswith('-') for word in node.args):
                    yield node.lineno, keyword.value.id


def test_no_option_is_read_by_int_or_float():
    bare = [f'{path}:{line}' for path, text in sources() for line, kind in options_of(text)
            if kind in ('int', 'float', 'bool')]
    assert not bare, f'these take nan, 1e400 and 10**30; mtp.numbers has types that do not: {bare}'


class Made(Exception):
    pass


def parsers(module, monkeypatch):
    """The finished parsers of a module's command lines; they are taken when they are about to parse."""
    found = []

    def take(self, *_, **__):
        found.append(self)
        raise Made

    for name in MAKERS.get(module, ('main',)):
        function = getattr(importlib.import_module(module), name)
        with monkeypatch.context() as patch, pytest.raises(Made):
            patch.setattr(argparse.ArgumentParser, 'parse_args', take)
            patch.setattr(argparse.ArgumentParser, 'parse_known_args', take)
            patch.setattr(sys, 'argv', [module])
            function()
    return found


def numeric(parser):
    """(parser, option) of every option that is a number, those of verbs included."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from numeric(inner)
        elif isinstance(action.type, (numbers.Whole, numbers.Real)):
            yield parser, action


MODULES = sorted({path[:-3].replace('/', '.') for path, text in sources()
                  if 'ArgumentParser(' in text or 'command.parser(' in text} | {'mtp.predict.__main__'})


@pytest.mark.parametrize('module', MODULES)
def test_what_is_no_number_is_told(module, monkeypatch, capsys):
    if not MAKERS.get(module, ('main',)):
        pytest.skip('its parser is part of another')
    try:
        importlib.import_module(module)
    except (ImportError, MTPError) as error:
        pytest.skip(f'not in this environment: {error}')
    for parser in parsers(module, monkeypatch):
        for owner, action in numeric(parser):
            least, most = action.type.least, action.type.most
            beyond = str(least * 2 if least < -1 else least - 1), str(most * 10 + 10), '1' + '0' * 31, '-1e300', '1e300'
            for text in NONE + beyond:
                with pytest.raises(argparse.ArgumentError) as told:
                    owner._get_value(action, text) if action.choices is None else owner._get_values(action, [text])
                assert re.search(r'a (whole )?number .*is expected, not ', str(told.value)), (action.dest, text)
                with pytest.raises(SystemExit) as left:
                    owner.error(str(told.value))
                assert left.value.code == 2
            assert owner._get_value(action, f'{max(1, action.type.least):g}') == max(1, action.type.least)
    capsys.readouterr()


def test_known_command_lines_are_among_them():
    known = {'mtp.submit.merge', 'mtp.submit.draw', 'mtp.tiles.cut', 'mtp.pretrain.engine.options', 'mtp.own.__main__',
             'mtp.data.patches', 'mtp.adapters.mmrotate1.cli', 'mtp.adapters.mmrotate03.cli', 'mtp.launch.replay'}
    assert known <= set(MODULES) and len(MODULES) > 30


@pytest.mark.parametrize('kind, good', [
    (numbers.count, {'1': 1, ' 2 ': 2, '+3': 3, '2147483647': 2 ** 31 - 1}),
    (numbers.seed, {'0': 0, '4294967295': 2 ** 32 - 1}),
    (numbers.share, {'0': 0.0, '.5': 0.5, '1.': 1.0, '1e-3': 0.001}),
    (numbers.overlap, {'1': 1.0, '0.1': 0.1}),
    (numbers.real, {'-1.5e3': -1500.0, '0': 0.0})])
def test_right_values(kind, good):
    assert {text: kind(text) for text in good} == good


@pytest.mark.parametrize('kind, text, said', [
    (numbers.count, '0', "a whole number of at least 1 is expected, not '0'"),
    (numbers.count, '9' * 30, 'a whole number of at least 1 and at most 2147483647 is expected, not '),
    (numbers.share, '1.1', "a number from 0 to 1 is expected, not '1.1'"),
    (numbers.overlap, '0', "a number above 0 and at most 1 is expected, not '0'"),
    (numbers.seed, '-1', "a whole number from 0 to 4294967295 is expected, not '-1'")])
def test_what_is_said(kind, text, said):
    with pytest.raises(argparse.ArgumentTypeError) as told:
        kind(text)
    assert str(told.value).startswith(said)


def test_a_range_that_is_none_is_refused():
    numbers.rising('--stretch', (0, 1))
    numbers.rising('--stretch', None)
    for pair in ((1, 1), (2, 1)):
        with pytest.raises(MTPError, match='the first number has to be the smaller one'):
            numbers.rising('--stretch', pair)


@pytest.mark.parametrize('name', sorted(settings.NUMBERS) + ['NODES', 'GPUS', 'CPUS_PER_TASK', 'PORT'])
@pytest.mark.parametrize('value', ['nan', '-1', '1e400', '10' * 20, '²', '0.5.1', '1 2'])
def test_settings_of_make_are_checked_before_any_job_waits_for_them(name, value):
    with pytest.raises(MTPError, match=f'{name} is .*; it has to be a (whole )?number') as told:
        settings.from_environ({name: value})
    assert told.value.hint and told.value.code == 2
    assert settings.from_environ({name: '1'})


@pytest.mark.parametrize('name', ['RANK', 'WORLD_SIZE', 'LOCAL_RANK', 'MASTER_PORT'])
@pytest.mark.parametrize('value', ['²', 'x', '1' * 40, '-1', '1.0'])
def test_what_a_launcher_says_is_a_number(name, value):
    with pytest.raises(MTPError, match=name):
        rendezvous.prepare(dict({'RANK': '0', 'WORLD_SIZE': '1'}, **{name: value}))


@pytest.mark.parametrize('value', ['²', 'x', '1' * 40])
def test_the_step_of_a_job_is_a_number(value):
    with pytest.raises(MTPError, match='SLURM_STEP_ID'):
        rendezvous.prepare({'SLURM_PROCID': '0', 'SLURM_STEP_NUM_TASKS': '1', 'SLURM_JOB_ID': '7', 'SLURM_LOCALID': '0',
                            'SLURM_STEP_ID': value})


@pytest.mark.parametrize('text', ['{"batch_size": "x"}', '{"batch_size": [1]}', '{"batch_size": 1.5}', '{"lr": NaN}',
                                  '{"weight_decay": Infinity}', '{"end_iter": true}', '{"end_iter": {}}',
                                  '{"tasks": "ss"}', '{"backbone": 3}', '{"save_path": 3}', '{"seed": -1}',
                                  '{"end_iter": ' + '9' * 30 + '}', '{"background": 2}', '{"datasets": [[]]}'])
def test_values_in_a_configuration_file_are_checked_like_typed_ones(text, tmp_path):
    options = pytest.importorskip('mtp.pretrain.engine.options')
    path = tmp_path / 'run.json'
    path.write_text(text)
    name = next(iter(json.loads(text)))
    with pytest.raises(MTPError, match=f'run.json: {name}: '):
        options.parse(['--config', str(path), '--backbone', 'vit_t_rvsa', '--save_path', 'out', '--image_size', '64',
                       '--init_backbone', 'none'])


def test_a_configuration_file_with_right_values_is_read(tmp_path):
    options = pytest.importorskip('mtp.pretrain.engine.options')
    path = tmp_path / 'run.json'
    path.write_text(json.dumps({
        'backbone': 'vit_t_rvsa', 'save_path': 'out', 'image_size': 64, 'init_backbone': 'none', 'batch_size': 3,
        'tasks': ['ss'], 'background': False, 'use_ckpt': 'True', 'lr': 1e-4, 'log_interval': None,
        'custom_hooks': [{'type': 'EMAHook'}], 'custom_imports': {}}))
    found = options.parse(['--config', str(path)])
    assert (found.tasks, found.background, found.use_ckpt, found.lr) == (['ss'], False, True, 1e-4)
    assert found.custom_hooks == [{'type': 'EMAHook'}] and found.custom_imports == {}


def test_names_with_digits_of_other_scripts_are_sorted(tmp_path):
    from mtp.data import converting
    names = ['5².png', '5²3.png', '10.png', '2.png', '٣.png']
    for name in names:
        (tmp_path / name).write_bytes(b'')
    assert converting.listing(str(tmp_path), '.png') == ['2.png', '5²3.png', '5².png', '10.png', '٣.png']
