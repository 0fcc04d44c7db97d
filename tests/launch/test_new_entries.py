"""A new environment and a new variant are entries in the ledger, a lock, and nothing else."""
import os
import shutil
import subprocess
import sys

import pytest

from mtp.launch import ledger

COPIED = ('mtp', 'docker', 'apptainer', 'configs', 'tools', 'scripts', 'ci/cluster', 'main_pretrain.py', 'README.md',
          'README.ko.md', 'Makefile')
# Runs in a copy of the checkout, on what lies there alone.
HEAD = """
import copy, json, os, sys
sys.path.insert(0, os.getcwd())
from mtp.errors import NOT_YET, MTPError
from mtp.files import write_json, write_text
from mtp.launch import generated, host, ledger, lock, verbs
from mtp.launch import plan as planning
from mtp.launch.settings import from_environ
machines = {}
def planned(verb, **words):
    settings = from_environ(dict({'HOME': '/home/user', 'DRYRUN': '1'}, **words))
    key = words['RUNTIME'], words.get('VARIANT')
    machines[key] = machines.get(key) or host.look(settings)
    return verbs.plan(verb, settings, machines[key])
"""
ENTRIES = HEAD + """
found = ledger.load()
ahead = copy.deepcopy(found['environments']['mmrotate1'])
ahead.update(record=False, preferred_for=[], serves='the newest cards', requirements={'runtime': ['protobuf']})
ahead['python'].update(shipped='3.12.1', documented=None, evidenced=None)
ahead['ops'].update(package='onedl-mmcv', version='2.3.6', sdist='onedl_mmcv-2.3.6.tar.gz', sha256='0' * 64)
ahead['packages'] = {name: {'documented': None, 'evidenced': None, 'shipped': version, 'reason': 'a test'}
                     for name, version in (('torch', '2.14.1'), ('torchvision', '0.29.1'), ('onedl-mmcv', '2.3.6'))}
newest = {'like': 'cu121', 'cuda': '13.0', 'architectures': ['9.0', '12.0'], 'driver': '580.65', 'packages': {}}
ahead['variants'] = {'cpu': {'like': 'cpu', 'drops': []}, 'cu130': newest}
found['environments']['ahead'] = ahead
own = {'like': 'cu117', 'cuda': '11.8', 'packages': {'torch': {'shipped': '1.13.1', 'reason': 'a test'}}}
found['environments']['mmrotate03']['variants']['cu118'] = own
write_json(ledger.PATH, found)
"""
LOCKS = HEAD + r"""
class Resolver:
    def resolve(self, env, part, constraints='', present=''):
        text = generated.lock_inputs()['docker/locks/{}-{}.in'.format(env, part)]
        names = [line for line in text.splitlines() if not line.startswith('#')]
        return ''.join('{} \\\n    --hash=sha256:{}\n'.format(each if '==' in each else each.split('<')[0] + '==9',
                       ledger.environment(env)['ops']['sha256']) for each in names)
generated.write()
for name, text in lock.resolve_all(Resolver(), say=lambda line: None).items():
    write_text(lock.path(name), text)
assert lock.problems() == [], lock.problems()
"""
VERBS = HEAD + """
os.makedirs('data', exist_ok=True), os.makedirs('weights', exist_ok=True)
wanted = {'IMAGES': 'data/x.tif', 'CONFIG': 'vit-rvsa-l-224-mae-mtp_eurosat', 'CHECKPOINT': 'Makefile',
          'PASSPORT': 'none', 'BUNDLE': 'x'}
count = 0
for words in json.loads(sys.argv[1]):
    for verb in verbs.names():
        for runtime in ('docker', 'apptainer', 'native'):
            given = dict(words, RUNTIME=runtime)
            takes = verbs.uses.of(verb)
            given.update({name: value for name, value in wanted.items() if name in takes and '-' not in verb})
            try:
                planning.render(planned(verb, **given))
                count += 1
            except MTPError as error:
                known = ('passport', 'belongs to', 'pretraining runs in', 'there is no config', ' needs ')
                assert error.code == NOT_YET or any(each in str(error) for each in known), (verb, words, str(error))
print(count)
"""


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp('tree') / 'checkout'
    for name in COPIED:
        source, target = os.path.join(ledger.ROOT, name), root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, str(target), ignore=shutil.ignore_patterns('__pycache__', '*.whl', '*.sif'))
        else:
            shutil.copy(source, str(target))
    return root


def run(tree, script, *words):
    environ = {name: value for name, value in os.environ.items() if name in ('PATH', 'HOME', 'LANG')}
    done = subprocess.run([sys.executable, '-c', script] + list(words), cwd=str(tree), env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


def make(tree, verb, *words):
    environ = {name: value for name, value in os.environ.items() if name in ('PATH', 'HOME', 'LANG')}
    done = subprocess.run([sys.executable, '-m', 'mtp.launch', verb] + list(words), cwd=str(tree), env=environ,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


def test_entries_without_a_lock_are_answered_with_make_lock_and_with_one_every_verb_plans(tree):
    assert run(tree, ENTRIES) == (0, '')
    for verb, words in (('setup', ('ENV=ahead', 'DRYRUN=1')), ('images', ('ENV=ahead', 'VARIANT=cu130')),
                        ('images', ('ENV=mmrotate03', 'VARIANT=cu118')),
                        ('setup', ('VARIANT=cu118',)), ('bundle', ('ENV=ahead',))):
        code, said = make(tree, verb, *words)
        assert code and 'next: make lock' in said and 'Traceback' not in said, (verb, said)
    assert make(tree, 'pretrain', 'DRYRUN=1')[0] == 0  # the others are as they were
    assert run(tree, LOCKS) == (0, '')
    words = '[{"ENV": "ahead"}, {"ENV": "ahead", "VARIANT": "cu130", "ACCEL": "nv"}, {"VARIANT": "cu118"}]'
    code, said = run(tree, VERBS, words)
    assert code == 0 and int(said.split()[-1]) > 150, said
    code, said = make(tree, 'finetune-eurosat', 'ENV=ahead', 'VARIANT=cu130', 'ACCEL=nv', 'RUNTIME=docker', 'DRYRUN=1')
    assert code == 0 and 'mtp/ahead:cu130' in said and 'configs/mmrotate1/eurosat/' in said
    code, said = make(tree, 'setup', 'ENV=ahead', 'DRYRUN=1')
    assert code == 0 and 'python3.12 -m venv' in said and 'ahead-cpu.txt' in said
