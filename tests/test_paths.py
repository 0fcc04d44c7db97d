import os
import subprocess
import sys

import pytest

from mtp import paths


def test_short_prefixes_follow_the_variables(monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', '/data')
    monkeypatch.delenv('MTP_WEIGHTS_ROOT', raising=False)
    assert paths.resolve('data/dotav1/') == '/data/dotav1/'
    assert paths.resolve('weights/a.pth') == 'weights/a.pth'
    assert paths.resolve('/abs/data/x') == '/abs/data/x'


def test_words_that_only_look_like_a_prefix_are_kept(monkeypatch):
    monkeypatch.setenv('MTP_DATA_ROOT', '/data')
    assert paths.resolve('data') == 'data'
    assert paths.resolve('database/x') == 'database/x'


def test_trees_keep_their_types(monkeypatch):
    monkeypatch.setenv('MTP_WORK_ROOT', '/work')
    tree = {'a': ('work_dirs/x', 3), 'b': [None, 'work_dirs/y']}
    assert paths.resolve_tree(tree) == {'a': ('/work/x', 3), 'b': [None, '/work/y']}


@pytest.fixture
def contained(monkeypatch):
    for name, inside, outside in (('DATA', '/data', 'data'), ('WEIGHTS', '/weights', '/w'),
                                  ('WORK', '/work', 'work_dirs')):
        monkeypatch.setenv(f'MTP_{name}_ROOT', inside)
        monkeypatch.setenv(f'MTP_HOST_{name}_ROOT', outside)


@pytest.mark.parametrize('text, shown', [
    ('/work/demo/index.html', 'work_dirs/demo/index.html'), ('see /work', 'see work_dirs'),
    ("'/data/dior/a b.jpg'", "'data/dior/a b.jpg'"),
    ('cannot write /work/x: full, /weights/y.pth', 'cannot write work_dirs/x: full, /w/y.pth'),
    ('/opt/work/x', '/opt/work/x'),
    ('/workshop/x', '/workshop/x'), ('/work.old', '/work.old'), ('file:///work/x', 'file:///work/x'),
    ('half/work/x', 'half/work/x')])
def test_a_path_of_the_container_is_said_as_the_host_knows_it(contained, text, shown):
    assert paths.shown(text) == shown


@pytest.mark.parametrize('text, written', [
    ('/a/work/run/iter_1.pth', 'work_dirs/run/iter_1.pth'), ("load_from='/a/work/data/x'", "load_from='data/x'"),
    ('/a/work', 'work_dirs'), ('/a/workshop/x', '/a/workshop/x'), ('/b/a/work/x', '/b/a/work/x'),
    ('/here/weights/w.pth', 'weights/w.pth'), ('work_dirs/x', 'work_dirs/x')])
def test_files_hold_the_short_form_of_a_path(monkeypatch, text, written):
    monkeypatch.setenv('MTP_WORK_ROOT', '/a/work/')
    monkeypatch.setenv('MTP_DATA_ROOT', '/a/work/data')  # one inside the other
    monkeypatch.delenv('MTP_WEIGHTS_ROOT', raising=False)
    monkeypatch.setattr(os, 'getcwd', lambda: '/here')
    assert paths.short(text) == written
    assert paths.short_tree({'x': [text, (1, text)]}) == {'x': [written, (1, written)]}


def test_outside_a_container_nothing_is_changed(monkeypatch):
    monkeypatch.delenv('MTP_HOST_WORK_ROOT', raising=False)
    assert paths.shown('/work/x') == '/work/x' and paths.host_names(sys.stdout) is sys.stdout


def test_what_a_program_prints_names_the_hosts_folders():
    code = ("from mtp.errors import MTPError, run_main\n"
            "def main():\n    print('/work/a/index.html')\n    raise MTPError('no /data/b', hint='ls "
            "/data')\nrun_main(main)")
    names = dict(MTP_DATA_ROOT='/data', MTP_HOST_DATA_ROOT='/mnt/d', MTP_WORK_ROOT='/work',
                 MTP_HOST_WORK_ROOT='work_dirs')
    done = subprocess.run([sys.executable, '-c', code], env=dict(os.environ, **names), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True,
                          cwd=os.path.dirname(os.path.dirname(__file__)))
    assert done.stdout == 'work_dirs/a/index.html\n' and done.stderr == 'error: no /mnt/d/b\n  next: ls /mnt/d\n'


def test_hooks_are_found_behind_everything_else(monkeypatch):
    monkeypatch.setenv('MTP_HOOKS_PATH', f'/hooks{os.pathsep}')
    monkeypatch.setattr(sys, 'path', ['/installed'])
    paths.add_hooks()
    paths.add_hooks()
    assert sys.path == ['/installed', '/hooks']
