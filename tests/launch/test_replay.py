"""A recorded command line becomes the same run elsewhere, and a comparison confirms only what is equal."""
import copy
import json
import os

import pytest

from mtp.errors import MTPError
from mtp.launch import replay, verbs
from tests.launch import fakes

THEN = {
    'schema': 1, 'kind': 'pretrain', 'status': 'complete', 'started': 'a', 'finished': 'b', 'seed': 1, 'processes': 1,
    'command': ['/x/bin/python', '/x/main_pretrain.py', '--save_path', '/w/run', '--end_iter', '4'], 'folder': '/w/run',
    'environment': {'name': 'mmrotate1', 'ledger': 'l', 'versions': {'numpy': '1'},
                    'image': {'runtime': 'native', 'name': None, 'digest': None}},
    'code': {'commit': 'c', 'dirty': False}, 'hardware': {'threads': 1, 'gpus': [], 'processor': 'p'}, 'nodes': ['n'],
    'roots': {'data': '/d', 'weights': '/v', 'work_dirs': '/w', 'code': '/x'}, 'variables': {},
    'config': {'save_path': '/w/run', 'lr': 1}, 'data': {'sota': {'sha256': 's'}}, 'metrics': {'loss': 2.0},
    'weights': 'abc'}


def changed(**facts):
    return dict(copy.deepcopy(THEN), **facts)


@pytest.fixture
def root(tmp_path):
    return fakes.checkout(tmp_path)


def planned(root, then, **words):
    path = os.path.join(root, 'passport.json')
    with open(path, 'w') as stream:
        json.dump(then, stream)
    return verbs.plan('replay', fakes.ask(PASSPORT='passport.json', **words), fakes.machine(root, accel='none'))


def test_folders_of_then_become_folders_of_now(root):
    native = planned(root, THEN, RUNTIME='native').commands[0]
    line = ' '.join(native.words)
    assert 'main_pretrain.py --save_path work_dirs/replay/pretrain-1 --end_iter 4 --distributed False' in line
    assert native.environment['OMP_NUM_THREADS'] == '1'
    docker = planned(root, THEN, RUNTIME='docker')
    line = ' '.join(docker.commands[0].words)
    assert 'mtp/mmrotate1:cpu' in line and '--save_path /work/replay/pretrain-1' in line
    assert '--env OMP_NUM_THREADS ' in line
    assert docker.commands[1].words[-1] == os.path.join(root, 'work_dirs/replay/pretrain-1/passport.json')
    os.makedirs(os.path.join(root, 'work_dirs/replay/pretrain-1'))
    assert 'replay/pretrain-2' in ' '.join(planned(root, THEN, RUNTIME='native').commands[0].words)


def test_a_run_in_a_container_is_replayed_outside(root):
    inside = changed(command=['/opt/venv/bin/python', '/opt/mtp/tools/train.py', 'configs/mmrotate1/dior/a.py',
                              '--work-dir=/work/mmrotate1/dior/a', '--launcher=none', '--resume', '--cfg-options',
                              'load_from=/weights/w.pth'], kind='finetune', folder='/work/mmrotate1/dior/a',
                     roots={'data': '/data', 'weights': '/weights', 'work_dirs': '/work', 'code': '/opt/mtp'})
    line = ' '.join(planned(root, inside, RUNTIME='native', OUT='work_dirs/second').commands[0].words)
    assert line.endswith('tools/train.py configs/mmrotate1/dior/a.py --work-dir=work_dirs/second --launcher=none '
                         '--cfg-options load_from=weights/w.pth')


def test_the_data_of_then_are_taken_where_they_still_are(root, tmp_path):
    there = changed(roots=dict(THEN['roots'], data=str(tmp_path)))
    native = planned(root, there, RUNTIME='native').commands[0]
    assert native.environment['MTP_DATA_ROOT'] == str(tmp_path)
    assert 'source={},target=/data,readonly'.format(tmp_path) in ' '.join(
        planned(root, there, RUNTIME='docker').commands[0].words)
    mine = planned(root, there, RUNTIME='native', MTP_DATA_ROOT='data').commands[0]  # what make says without a user
    assert mine.environment['MTP_DATA_ROOT'] == str(tmp_path)
    there['environment']['image']['runtime'] = 'docker'
    assert 'MTP_DATA_ROOT' not in planned(root, there, RUNTIME='native').commands[0].environment


def test_as_many_processes_as_then_or_an_error(root):
    four = changed(processes=4)
    assert '--nproc_per_node=4' in planned(root, four, RUNTIME='native').commands[0].words
    with pytest.raises(MTPError, match='the run had 4 processes, NODES=1 GPUS=2'):
        planned(root, four, GPUS='2')


@pytest.mark.parametrize('then, said', [(changed(status='running'), 'that is running'),
                                        (changed(schema=2), 'no passport'), ({}, 'no passport')])
def test_what_cannot_be_replayed_is_refused(root, then, said):
    with pytest.raises(MTPError, match=said):
        planned(root, then)
    with pytest.raises(MTPError, match='make replay PASSPORT='):
        verbs.plan('replay', fakes.ask(), fakes.machine(root))


def test_equal_runs_are_confirmed_wherever_they_ran():
    other = changed(folder='/work/replay/x', config={'save_path': '/work/replay/x', 'lr': 1}, roots=dict(
        THEN['roots'], work_dirs='/work'))
    other['environment']['image'] = {'runtime': 'docker', 'name': 'mtp/mmrotate1:cpu', 'digest': 'sha256:1'}
    lines, good = replay.compare(THEN, other)
    assert good and 'equal, bit for bit' in lines[-1]
    assert any('native -> docker mtp/mmrotate1:cpu sha256:1' in line for line in lines)
    assert 'config' in lines[1] and 'config' not in ''.join(lines[2:])


@pytest.mark.parametrize('facts', [{'weights': 'abd'}, {'metrics': {'loss': 2.0000001}}, {'metrics': {}},
                                   {'metrics': {'loss': 2.0, 'more': 1}}, {'status': 'failed'},
                                   {'data': {'sota': {'sha256': 't'}}}])
def test_anything_else_is_not(facts):
    assert not replay.compare(THEN, changed(**facts))[1]


def test_a_tolerance_admits_what_lies_within_it():
    near = changed(weights='abd', metrics={'loss': 2.001})
    assert replay.compare(THEN, near, 1e-3)[1] and not replay.compare(THEN, near, 1e-4)[1]


def test_what_explains_a_difference_is_named():
    other = changed(seed=2, data={'sota': {'sha256': 't'}})
    other['environment']['versions'] = {'numpy': '2', 'scipy': '1'}
    text = '\n'.join(replay.compare(THEN, other)[0])
    assert 'seed: 1 -> 2' in text and 'numpy 1 -> 2; scipy none -> 1' in text and 'hashes differ: sota' in text


def test_a_path_of_the_data_is_no_difference_and_a_missing_seed_is_told():
    old, new = changed(data={'train': {'sha256': 's', 'path': '/d/x'}}), changed(
        data={'train': {'sha256': 's', 'path': '/data/x'}})
    new['roots'] = dict(new['roots'], data='/data')
    assert 'data' in replay.compare(old, new)[0][1]
    assert 'none was set' in '\n'.join(replay.compare(changed(seed=None), changed(seed=None))[0])


def test_the_command_compares_two_files(tmp_path, capsys):
    for name, content in (('a', THEN), ('b', changed(weights='x'))):
        (tmp_path / name).write_text(json.dumps(content))
    assert replay.main([str(tmp_path / 'a'), str(tmp_path / 'a')]) == 0 and 'confirmed' in capsys.readouterr().out
    assert replay.main([str(tmp_path / 'a'), str(tmp_path / 'b')]) == 1 and 'NOT CONFIRMED' in capsys.readouterr().out
