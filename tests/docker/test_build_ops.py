"""The operators are compiled once, from the pinned source, and only a finished and undamaged wheel is ever trusted."""
import fcntl
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger
from tests.fatbins import shared_object

ROOT = ledger.ROOT
SCRIPT = os.path.join(ROOT, 'docker', 'build_ops.py')
SPEC = importlib.util.spec_from_file_location('build_ops', SCRIPT)
ops = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(ops)

ABOUT = {'python': '3.8.18', 'abi': 'cpython-38-x86_64-linux-gnu', 'platform': 'linux-x86_64', 'libc': 'glibc 2.36',
         'torch': '1.10.0'}
# Stands for Python 3.8 with torch: tells its facts, and plays pip. "slow" and "broken" steer the compile.
FAKE = """#!{python}
import os, shutil, sys, time
words, home = sys.argv[1:], os.path.dirname(os.path.abspath(__file__))
def value(flag): return words[words.index(flag) + 1]
if words[0] == '-c':
    print({about!r})
elif words[2] == 'install':
    os.makedirs(os.path.join(value('--target'), 'bin'))
elif words[2] == 'download':
    os.makedirs(value('--dest'))
    shutil.copy(os.path.join(home, 'mmcv-2.0.0.tar.gz'), value('--dest'))
elif words[2] == 'wheel':
    source = words[-1]
    with open(os.path.join(home, 'compiles'), 'a') as log:
        log.write(repr([os.environ.get(name) for name in ('FORCE_CUDA', 'CFLAGS', 'CUDA_VISIBLE_DEVICES')]) + '\\n')
    if os.path.exists(os.path.join(home, 'broken')):
        print('x.cpp:1:1: error: no such thing')
        sys.exit(1)
    for count in (1, 2):
        done = os.path.join(source, 'object%d' % count)
        if not os.path.exists(done):
            print('  [%d/2] c++ object%d' % (count, count), flush=True)
            open(done, 'w').close()
        while count == 1 and os.path.exists(os.path.join(home, 'slow')):
            time.sleep(0.05)
    os.makedirs(value('--wheel-dir'))
    with open(os.path.join(value('--wheel-dir'), 'mmcv-2.0.0-cp38-cp38-linux_x86_64.whl'), 'w') as wheel:
        wheel.write('made of ' + ' '.join(sorted(os.listdir(source))))
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A folder with the fake Python, its tiny source archive, and a ledger that pins that archive."""
    (tmp_path / 'mmcv-2.0.0').mkdir()
    (tmp_path / 'mmcv-2.0.0' / 'setup.py').write_text('')
    with tarfile.open(str(tmp_path / 'mmcv-2.0.0.tar.gz'), 'w:gz') as archive:
        archive.add(str(tmp_path / 'mmcv-2.0.0'), 'mmcv-2.0.0')
    shutil.rmtree(str(tmp_path / 'mmcv-2.0.0'))
    python = tmp_path / 'python'
    python.write_text(FAKE.format(python=sys.executable, about=json.dumps(ABOUT)))
    python.chmod(0o755)
    changed = ledger.load()
    entry = changed['environments']['mmrotate1']['ops']
    entry['sha256'] = ops.sha256(str(tmp_path / 'mmcv-2.0.0.tar.gz'))
    del entry['united']  # the tiny source has no files of operators
    monkeypatch.setattr(ledger, 'load', lambda: changed)
    monkeypatch.setattr(ops, 'check_machine', lambda folder, env, variant: None)
    return tmp_path


def build(machine, **more):
    return ops.build('mmrotate1', 'cpu', str(machine / 'python'), str(machine / 'cache'), say=lambda text: None, **more)


def compiles(machine):
    return (machine / 'compiles').read_text().splitlines() if (machine / 'compiles').exists() else []


def test_a_wheel_is_compiled_once_and_then_taken_from_the_cache(machine):
    first = build(machine)
    assert build(machine) == first
    assert compiles(machine) == ["['0', '-g0', '']"], 'flags of the variant; every card hidden'
    assert open(first).read() == 'made of object1 object2 setup.py'
    assert sorted(os.listdir(os.path.dirname(first))) == ['.lock', 'build.log', 'key.json', os.path.basename(first),
                                                          os.path.basename(first) + '.sha256']


def test_a_damaged_or_half_written_wheel_is_not_trusted(machine, capsys):
    wheel = build(machine)
    with open(wheel, 'a') as stream:
        stream.write('damage')
    assert build(machine) == wheel and len(compiles(machine)) == 2
    assert 'damaged' in capsys.readouterr().err
    os.unlink(wheel + '.sha256')  # killed between the wheel and its hash
    assert build(machine) == wheel and len(compiles(machine)) == 3


def test_a_wheel_from_elsewhere_is_taken_when_it_is_of_the_same_kind(machine):
    build(machine)
    assert ops.export(str(machine / 'cache'), str(machine / 'house')) == 1
    shutil.rmtree(str(machine / 'cache'))
    wheel = build(machine, wheelhouse=str(machine / 'house'))
    assert wheel.startswith(str(machine / 'house')) and len(compiles(machine)) == 1
    assert ops.export(str(machine / 'nothing'), str(machine / 'house')) == 0


def test_a_failing_compile_shows_the_error_and_leaves_no_wheel(machine):
    (machine / 'broken').write_text('')
    with pytest.raises(MTPError, match='x.cpp:1:1: error: no such thing'):
        build(machine)
    assert not list(machine.glob('cache/*/*.whl'))
    (machine / 'broken').unlink()
    assert os.path.exists(build(machine))


def test_a_source_archive_of_another_hash_is_refused(machine):
    with open(str(machine / 'mmcv-2.0.0.tar.gz'), 'ab') as stream:
        stream.write(b'more')
    with pytest.raises(MTPError, match='mmcv-2.0.0.tar.gz has the hash'):
        build(machine)
    assert not compiles(machine)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_compile_goes_on_where_it_stopped(machine, how):
    (machine / 'slow').write_text('')
    code = ('import importlib.util as u, json, sys\n'
            's = u.spec_from_file_location("b", {script!r}); b = u.module_from_spec(s); s.loader.exec_module(b)\n'
            'changed = b.ledger.load()\n'
            'changed["environments"]["mmrotate1"]["ops"]["sha256"] = {sha!r}\n'
            'del changed["environments"]["mmrotate1"]["ops"]["united"]\n'
            'b.ledger.load = lambda: changed\n'
            'b.check_machine = lambda folder, env, variant: None\n'
            'b.main(["--env", "mmrotate1", "--python", {python!r}, "--cache", {cache!r}, "--out", {out!r}])\n').format(
                script=SCRIPT, python=str(machine / 'python'), cache=str(machine / 'cache'), out=str(machine / 'out'),
                sha=ledger.environment('mmrotate1')['ops']['sha256'])
    child = subprocess.Popen([sys.executable, '-c', code], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    limit = time.monotonic() + 20
    while not list(machine.glob('cache/*/source/object1')) and time.monotonic() < limit:
        time.sleep(0.05)
    child.send_signal(how)
    child.wait()
    first, = machine.glob('cache/*/source/object1')
    made = first.stat().st_mtime_ns
    assert not list(machine.glob('cache/*/*.whl'))
    with open(str(first.parent.parent / '.lock')) as held:
        if how == signal.SIGKILL:  # the compilers go on alone, and hold the lock so that nobody writes beside them
            with pytest.raises(BlockingIOError):
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert first.stat().st_mtime_ns == made
    (machine / 'slow').unlink()
    wheel = build(machine)
    assert open(wheel).read() == 'made of object1 object2 setup.py'
    assert len(compiles(machine)) == 2


@pytest.mark.parametrize('field,value', [('torch', '1.10.1'), ('abi', 'cpython-39'), ('platform', 'linux-aarch64'),
                                         ('libc', 'glibc 2.31'), ('sha256', '0' * 64), ('flags', {'CFLAGS': '-O3'}),
                                         ('variant', 'cu113'), ('version', '2.0.1')])
def test_everything_that_decides_the_content_is_in_the_key(field, value):
    wanted = ops.recipe('mmrotate1', 'cpu', ABOUT)
    assert ops.key(dict(wanted, **{field: value})) != ops.key(wanted)
    assert ops.key(wanted).startswith('mmcv-2.0.0-cpu-')


def test_patches_and_the_compiler_of_cards_are_in_the_key_and_nothing_new_is_in_that_of_processors(monkeypatch):
    about = dict(ABOUT, torch='2.4.1')
    wanted = ops.recipe('mmrotate1', 'cu121', about)
    assert wanted['flags']['TORCH_CUDA_ARCH_LIST'].endswith('9.0') and wanted['flags']['FORCE_CUDA'] == '1'
    assert wanted['patches'] == [['setup.py', '-std=c++14', '-std=c++17']] and wanted['nvcc'] == '12.4'
    changed = ledger.load()
    changed['variants']['cu121']['ops_patches'][0]['after'] = '-std=c++20'
    monkeypatch.setattr(ledger, 'load', lambda: changed)
    assert ops.key(ops.recipe('mmrotate1', 'cu121', about)) != ops.key(wanted)
    assert set(ops.recipe('mmrotate1', 'cpu', ABOUT)) == {'package', 'version', 'sha256', 'torch', 'abi', 'platform',
                                                          'libc', 'variant', 'flags', 'united'}


def test_the_patch_level_of_python_is_not_in_the_key():
    assert ops.recipe('mmrotate1', 'cpu', dict(ABOUT, python='3.8.0')) == ops.recipe('mmrotate1', 'cpu', ABOUT)


def test_a_python_that_cannot_serve_is_refused(tmp_path):
    with pytest.raises(MTPError, match='installed, mmrotate1 cpu wants 1.10.0'):
        ops.recipe('mmrotate1', 'cpu', dict(ABOUT, torch='1.13.0'))
    with pytest.raises(MTPError, match='does not run'):
        ops.facts(str(tmp_path / 'python'), '3.8')
    cases = ((dict(ABOUT, python='3.11.2'), 'is Python 3.11.2'), (dict(ABOUT, torch=''), 'has no torch'))
    for said, complaint in cases:
        python = tmp_path / 'python'
        python.write_text(f"#!/bin/sh\necho '{json.dumps(said)}'\n")
        python.chmod(0o755)
        with pytest.raises(MTPError, match=complaint):
            ops.facts(str(python), '3.8')


def test_what_would_fail_after_minutes_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(ops, 'NEEDED_BYTES', 1)
    monkeypatch.setenv('CXX', 'true')
    monkeypatch.setenv('CUDA_HOME', str(tmp_path))
    ops.check_machine(str(tmp_path), 'mmrotate1', 'cpu')
    monkeypatch.setattr(ops, 'NEEDED_BYTES', 1 << 60)
    with pytest.raises(MTPError, match='compiling needs'):
        ops.check_machine(str(tmp_path), 'mmrotate1', 'cpu')
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(MTPError, match=r'no C\+\+ compiler'):
        ops.check_machine(str(tmp_path), 'mmrotate1', 'cpu')
    monkeypatch.setenv('PATH', '/usr/bin:/bin')
    if not shutil.which('nvcc'):
        with pytest.raises(MTPError, match='there is no nvcc'):
            ops.check_machine(str(tmp_path), 'mmrotate1', 'cu117')


@pytest.mark.parametrize('release, refused', [('11.8', ''), ('11.3', ''), ('12.4', 'is of CUDA 12.4, and cu117')])
def test_an_nvcc_of_another_major_version_is_refused(tmp_path, monkeypatch, release, refused):
    tool = tmp_path / 'bin' / 'nvcc'
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "Cuda compilation tools, release {release}, V{release}.89"\n')
    tool.chmod(0o755)
    monkeypatch.setattr(ops, 'NEEDED_BYTES', 1)
    monkeypatch.setenv('CXX', 'true')
    monkeypatch.setenv('CUDA_HOME', str(tmp_path))
    if not refused:
        ops.check_machine(str(tmp_path), 'mmrotate1', 'cu117')
        return
    with pytest.raises(MTPError, match=refused + '.* that of CUDA 11\n  next: make images ENV=mmrotate1 VARIANT=cu117'):
        ops.check_machine(str(tmp_path), 'mmrotate1', 'cu117')


def test_the_ledgers_patches_are_made_once_and_a_text_that_is_not_there_is_refused(tmp_path):
    (tmp_path / 'setup.py').write_text("args = ['-std=c++14']\nnvcc = ['-std=c++14']\n")
    patches = ledger.variant('mmrotate1', 'cu121')['ops_patches']
    ops.patch(str(tmp_path), patches)
    assert (tmp_path / 'setup.py').read_text() == "args = ['-std=c++17']\nnvcc = ['-std=c++17']\n"
    with pytest.raises(MTPError, match='holds no .-std=c..14., which the ledger replaces'):
        ops.patch(str(tmp_path), patches)


def wheel_of(folder, *containers):
    """A wheel with one shared object for these (machine code of each container)."""
    path = folder / 'x.whl'
    with zipfile.ZipFile(str(path), 'w') as archive:
        archive.writestr('mmcv/_ext.so', shared_object(containers))
    return str(path)


def test_a_wheel_without_code_for_every_card_of_its_variant_is_refused(tmp_path):
    every = [37, 50, 60, 70, 75, 80, 86]
    ops.check_cards(wheel_of(tmp_path, every, every), 'mmrotate1', 'cu117')
    with pytest.raises(MTPError, match='_ext.so in .* has no code for sm_86, only for sm_37, .*sm_80\n  next: rm -r'):
        ops.check_cards(wheel_of(tmp_path, every, every[:-1]), 'mmrotate1', 'cu117')
    with pytest.raises(MTPError, match='only for processors'):
        ops.check_cards(wheel_of(tmp_path), 'mmrotate1', 'cu117')
    ops.check_cards(wheel_of(tmp_path), 'mmrotate1', 'cpu')
    with zipfile.ZipFile(str(tmp_path / 'empty.whl'), 'w') as archive:
        archive.writestr('mmcv/__init__.py', '')
    with pytest.raises(MTPError, match='holds no compiled operators'):
        ops.check_cards(str(tmp_path / 'empty.whl'), 'mmrotate1', 'cu117')


def test_a_card_in_this_machine_decides_nothing(monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    monkeypatch.setenv('FORCE_CUDA', '1')
    variables = ops.environment('mmrotate1', 'cpu', '/tools')
    assert variables['CUDA_VISIBLE_DEVICES'] == '' and variables['FORCE_CUDA'] == '0'
    assert variables['PATH'].startswith('/tools/bin' + os.pathsep)
    assert int(variables['MAX_JOBS']) >= 1


def test_the_command_line_needs_its_words(capsys):
    with pytest.raises(SystemExit):
        ops.main(['--env', 'mmrotate1'])
    assert '--python' in capsys.readouterr().err


def folder_of_sources(tmp_path, *names):
    for name in names:
        (tmp_path / 'csrc' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'csrc' / name).write_text('// ' + name)
    return str(tmp_path)


def test_files_are_compiled_together_but_for_those_that_stay_alone(tmp_path):
    source = folder_of_sources(tmp_path, 'a.cpp', 'b.cpp', 'c.cpp', 'twice.cpp', 'h.hpp')
    ops.unite(source, {'csrc': dict(into=2, alone=['twice.cpp'])})
    assert sorted(os.listdir(source + '/csrc')) == ['a.cpp.part', 'b.cpp.part', 'c.cpp.part', 'h.hpp', 'twice.cpp',
                                                    'united_0.cpp', 'united_1.cpp']
    texts = [(tmp_path / 'csrc' / f'united_{unit}.cpp').read_text() for unit in (0, 1)]
    assert texts == ['#include "a.cpp.part"\n#include "c.cpp.part"\n', '#include "b.cpp.part"\n']


@pytest.mark.parametrize('folder, alone', [('csrc', ['gone.cpp']), ('elsewhere', [])])
def test_a_ledger_that_speaks_of_another_source_is_told(tmp_path, folder, alone):
    source = folder_of_sources(tmp_path, 'a.cpp')
    with pytest.raises(MTPError, match='has no file') as told:
        ops.unite(source, {folder: dict(into=1, alone=alone)})
    assert 'correct "united"' in told.value.hint


def test_how_files_are_compiled_together_is_part_of_the_key_and_not_for_cards():
    together = ops.united('mmrotate1', 'cpu')
    assert set(together) == {'mmcv/ops/csrc/pytorch', 'mmcv/ops/csrc/pytorch/cpu'}
    assert ops.united('mmrotate1', 'cu117') == {}
    assert ops.recipe('mmrotate1', 'cpu', ABOUT)['united'] == together
