"""The locks hold every pin with a hash, fit the ledger, and refuse what nobody has resolved."""
import os
import subprocess
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import generated, ledger, lock

A, B = 'a' * 64, 'b' * 64
TEXT = ('# head\n'
        f'Some_Package==1.0 \\\n    --hash=sha256:{A} \\\n    --hash=sha256:{B}\n'
        f'torch==1.10.0 \\\n    --hash=sha256:{A}\n'
        f'torchvision==0.11.1 \\\n    --hash=sha256:{B}\n')


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the locks that a test may damage."""
    for name in os.listdir(lock.FOLDER):
        with open(os.path.join(lock.FOLDER, name)) as stream:
            (tmp_path / name).write_text(stream.read())
    monkeypatch.setattr(lock, 'FOLDER', str(tmp_path))
    return tmp_path


def test_the_locks_fit_the_ledger():
    assert lock.problems() == []


@pytest.mark.parametrize('name', ledger.names())
def test_every_pin_stands_in_its_lock_with_a_hash(name):
    held = lock.pins(lock.read(name + '-cpu'))
    for each in lock.apart(name):
        held.update(lock.pins(lock.read(each)))
    for package, version in ledger.shipped(name).items():
        assert held[package][0] == version
        assert held[package][1], package


@pytest.mark.parametrize('name, kind', [(name, kind) for name in ledger.names() for kind in ledger.variants(name)])
def test_the_variants_differ_in_torch_and_what_it_needs_alone(name, kind):
    cpu, gpu = (lock.pins(lock.read(f'{name}-{variant}'))
                for variant in (ledger.plain(name), kind))
    brought = ('nvidia-', 'triton', 'jinja2', 'markupsafe', 'networkx', 'sympy', 'mpmath')  # by a newer torch
    changed = {package for package in set(cpu) | set(gpu) if cpu.get(package) != gpu.get(package)}
    assert {package for package in changed if not package.startswith(brought)} <= {'torch', 'torchvision'}


@pytest.mark.parametrize('name', ledger.names())
def test_the_compiled_package_is_in_no_lock_of_wheels(name):
    assert not {'mmcv', 'mmcv-full', 'onedl-mmcv'} & set(lock.pins(lock.read(name + '-cpu')))


def test_what_the_index_has_as_sources_alone_has_a_lock_of_its_own_for_all_variants():
    assert set(lock.pins(lock.read('mmrotate12-sources'))) == set(ledger.sources('mmrotate12'))
    for kind in ledger.variants('mmrotate12'):
        assert not set(ledger.sources('mmrotate12')) & set(lock.pins(lock.read('mmrotate12-' + kind)))
    assert lock.apart('mmrotate1') == ['mmrotate1-ops'] and not lock.stale('mmrotate12-sources')


def test_pins_reads_names_versions_and_every_hash():
    assert lock.pins(TEXT) == {'some-package': ('1.0', [A, B]), 'torch': ('1.10.0', [A]),
                               'torchvision': ('0.11.1', [B])}


def test_split_takes_one_block_out():
    rest, block = lock.split(TEXT, 'torch')
    assert block == f'torch==1.10.0 \\\n    --hash=sha256:{A}\n'
    assert list(lock.pins(rest)) == ['some-package', 'torchvision']


def test_a_resolved_wheel_takes_its_hash_from_the_ledger(monkeypatch):
    changed = ledger.load()
    changed['variants']['cu113']['wheels']['torch']['sha256'] = B
    changed['variants']['cu113']['wheels']['torchvision']['sha256'] = ledger.UNRESOLVED
    monkeypatch.setattr(ledger, 'load', lambda: changed)
    text = lock.accelerated(TEXT, 'mmrotate1', 'cu113')
    assert lock.pins(text)['torch'] == ('1.10.0+cu113', [B])
    assert '# unresolved: torchvision==0.11.1+cu113\n' in text
    assert lock.accelerated(TEXT, 'mmrotate1', 'cpu') == TEXT


def test_an_unresolved_hash_is_refused_by_us_and_by_pip(folder):
    names = [name for name in ledger.recorded() if '# unresolved:' in lock.read(name + '-cu113')]
    if not names:  # resolved meanwhile: make an unresolved one
        names = ['mmrotate1']
        (folder / 'mmrotate1-cu113.txt').write_text(lock._made_from('mmrotate1-cu113') + '# unresolved: torch==1\n'
                                                    'the hash of torch==1 is unresolved\n')
    with pytest.raises(MTPError, match='the hash of torch.* is unresolved'):
        lock.require_resolved(names[0] + '-cu113')
    done = subprocess.run([sys.executable, '-m', 'pip', 'install', '--no-index', '--no-deps', '--require-hashes',
                           '--dry-run', '-r', lock.path(names[0] + '-cu113')],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode and 'is unresolved' in done.stdout
    lock.require_resolved('mmrotate1-cpu')


@pytest.mark.parametrize('name,old,new,complaint', [
    ('mmrotate1-cpu', 'torchvision==0.11.1 ', 'torchvision==0.10.0 ',
     'mmrotate1-cpu.txt does not hold torchvision==0.11.1'),
    ('mmrotate03-cu113', 'timm==0.9.2 ', 'timm==0.9.3 ', 'mmrotate03-cu113.txt does not hold timm==0.9.2'),
    ('mmrotate1-ops', 'sha256:2a26', 'sha256:0000', 'mmrotate1-ops.txt does not hold the hash of mmcv-2.0.0.tar.gz'),
    ('mmrotate1-dev', '--hash=sha256:', '--hash=md5:', 'mmrotate1-dev.txt: pytest has no hash'),
    ('mmrotate1-build', '# input: mmrotate1-build.in ', '# input: other.in ',
     'mmrotate1-build.txt was made from another mmrotate1-build.in'),
    ('mmrotate03-pip', '# ledger', '--index-url https://example.org\n# ledger', 'mmrotate03-pip.txt names a host'),
])
def test_a_lock_that_does_not_fit_is_named(folder, name, old, new, complaint):
    file = folder / (name + '.txt')
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    assert complaint in lock.problems()
    with pytest.raises(MTPError, match='do not fit the ledger'):
        lock.main(['--check'])


def test_a_missing_lock_is_named(folder):
    (folder / 'mmrotate03-cpu.txt').unlink()
    assert 'mmrotate03-cpu.txt is missing' in lock.problems()
    with pytest.raises(MTPError, match='cannot read the lock .*mmrotate03-cpu.txt.*\n  next: make lock'):
        lock.require_resolved('mmrotate03-cpu')


def test_a_changed_ledger_makes_the_locks_stale(monkeypatch):
    changed = ledger.load()
    changed['environments']['mmrotate03']['packages']['timm']['shipped'] = '0.9.3'
    monkeypatch.setattr(ledger, 'load', lambda: changed)
    found = lock.problems()
    assert 'mmrotate03-cpu.txt was made from another mmrotate03-cpu.in' in found
    assert not [line for line in found if line.startswith('mmrotate1-')]
    with pytest.raises(MTPError, match='mmrotate03-cu117.txt was made from other pins'):
        lock.require_resolved('mmrotate03-cu117')


class FakeResolver:
    """Answers with the pins it was asked for, and remembers its constraints."""

    def __init__(self):
        self.constraints = {}

    def resolve(self, env, part, constraints='', present=''):
        name = f'{env}-{part}'
        self.constraints[name] = constraints
        text = generated.lock_inputs()[f'docker/locks/{name}.in']
        wanted = [line for line in text.splitlines() if not line.startswith('#')]
        return ''.join('{} \\\n    --hash=sha256:{}\n'.format(line if '==' in line else line.split('<')[0] + '==9', A)
                       for line in wanted)


def test_resolving_makes_every_lock_and_binds_the_tests_to_their_environment():
    resolver = FakeResolver()
    locks = lock.resolve_all(resolver, say=lambda text: None)
    assert set(locks) == {f'{env}-{part}' for env in ledger.names()
                          for part in ledger.variants(env) + ['ops', 'dev', 'pip', 'build'] + [
                              ledger.headers(kind) for kind in ledger.with_cuda(env)]} | {'mmrotate12-sources'}
    assert set(lock.pins(locks['mmrotate12-sources'])) == set(ledger.sources('mmrotate12'))
    assert not set(lock.pins(locks['mmrotate12-cu130'])) & set(ledger.sources('mmrotate12') + ['onedl-mmcv'])
    assert lock.pins(locks['mmrotate03-ops']) == {'mmcv-full': ('1.6.1', [A])}
    for name, source in (('mmrotate1-cpu', 'mmrotate1-cpu'), ('mmrotate1-ops', 'mmrotate1-cpu'),
                         ('mmrotate1-cu121', 'mmrotate1-cu121')):
        wanted = lock._digest(generated.lock_inputs()[f'docker/locks/{source}.in'])
        assert f'# input: {source}.in {wanted}\n' in locks[name]
    assert lock.pins(locks['mmrotate1-cu121'])['torch'] == ('2.4.1', [A])
    constraints = resolver.constraints['mmrotate1-dev'].splitlines()
    assert 'numpy==1.23.5' in constraints and 'timm=={}'.format(ledger.shipped('mmrotate1')['timm']) in constraints
    assert not [line for line in constraints if line.startswith('torch')]  # its variants do not agree on that


def test_a_failing_tool_gives_one_clear_error_and_leaves_the_locks(folder, monkeypatch):
    before = {file.name: file.read_text() for file in folder.iterdir()}
    monkeypatch.setattr(lock.sys, 'executable', '/bin/false')  # every step of the bootstrap fails
    with pytest.raises(MTPError, match='failed') as caught:
        lock.main([])
    assert 'make lock' in str(caught.value)
    assert {file.name: file.read_text() for file in folder.iterdir()} == before
