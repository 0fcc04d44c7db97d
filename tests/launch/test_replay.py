"""A recorded command line becomes the same run elsewhere, and a comparison confirms only what is equal."""
import copy
import json
import os
import subprocess

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
    assert f'source={tmp_path},target=/data,readonly' in ' '.join(
        planned(root, there, RUNTIME='docker').commands[0].words)
    mine = planned(root, there, RUNTIME='native', MTP_DATA_ROOT='data').commands[0]  # what make says without a user
    assert mine.environment['MTP_DATA_ROOT'] == str(tmp_path)
    there['environment']['image']['runtime'] = 'docker'
    assert 'MTP_DATA_ROOT' not in planned(root, there, RUNTIME='native').commands[0].environment


SHORT = {'folder': 'work_dirs/run',
         'roots': {'data': '../../d', 'weights': '../../v', 'work_dirs': '..', 'code': '../../x'},
         'command': ['.venv/mmrotate1/bin/python', 'main_pretrain.py', '--save_path', 'work_dirs/run', '--end_iter',
                     '4'],
         'config': {'save_path': 'work_dirs/run', 'lr': 1}}


def test_a_passport_with_short_paths_is_replayed_as_one_of_before(root):
    own, before = (planned(root, then, RUNTIME='native').commands[0] for then in (changed(**SHORT), THEN))
    assert own.words == before.words
    assert replay.compare(THEN, changed(**SHORT))[1] and 'config' in replay.compare(THEN, changed(**SHORT))[0][1]


def test_the_data_are_looked_for_where_they_lie_beside_a_moved_run(root, tmp_path):
    there = os.path.join(root, 'd')
    os.makedirs(there)
    then = changed(**dict(SHORT, roots=dict(SHORT['roots'], data='d')))
    assert planned(root, then, RUNTIME='native').commands[0].environment['MTP_DATA_ROOT'] == there


def test_weights_that_lie_elsewhere_are_bound_where_they_are(root):
    folders = dict.fromkeys(('/data sets', '/weights of mine', 'work_dirs'), fakes.GOOD)
    with open(os.path.join(root, 'passport.json'), 'w') as stream:
        json.dump(THEN, stream)
    asked = fakes.ask(PASSPORT='passport.json', RUNTIME='docker', MTP_DATA_ROOT='/data sets',
                      MTP_WEIGHTS_ROOT='/weights of mine')
    words = verbs.plan('replay', asked, fakes.machine(root, accel='none', folders=folders)).commands[0].words
    assert 'type=bind,source=/weights of mine,target=/weights,readonly' in words


def test_as_many_processes_as_then_or_an_error(root):
    four = changed(processes=4)
    assert '--nproc_per_node=4' in planned(root, four, RUNTIME='native').commands[0].words
    with pytest.raises(MTPError, match='the run had 4 processes, NODES=1 GPUS=2'):
        planned(root, four, GPUS='2')


def finetuned(*words, **facts):
    command = ['p', '/x/tools/train.py', 'configs/mmrotate1/dior/a.py'] + list(words)
    return changed(kind='finetune', command=command, **facts)


STRANGE = [
    (['--cfg-options', 'model.init_cfg.type=Pretrained'], "model.init_cfg.type: 'init_cfg' chooses code"),
    (['--cfg-options', 'model.backbone.pretrained=http://127.0.0.1/w.pth'], 'it is an address'),
    (['--cfg-options', 'load_from=file:///tmp/w.pth'], 'it is an address'),
    (['--cfg-options', 'load_from=/tmp/w.pth'], 'lies outside of data, weights and work_dirs'),
    (['--cfg-options', 'load_from=weights/../../w.pth'], 'leads out of the roots'),
    (['--cfg-options', 'custom_imports.imports=evil'], 'custom_imports.imports: no setting'),
    (['--cfg-options', 'custom_hooks=[x]'], 'custom_hooks: no setting'),
    (['--cfg-options', 'train_dataloader.dataset.type=Evil'], "'type' chooses code"),
    (['--cfg-options', 'train_cfg.max_epochs=__import__("os").system("id");'], 'no plain number'),
    (['--cfg-options', 'train_cfg.max_epochs={{x}}'], 'no plain number'),
    (['--cfg-options', 'lr\x1b[2J=1'], r'lr\x1b[2J=1: no setting of the form'),
    (['--work-dir', '/etc'], 'lies outside of data'), (['--out', '/etc/x.pkl'], '--out: no flag'),
    (['--conf', 'x'], '--conf: no flag'),
    (['stray'], 'belongs to no flag'), (['--launcher', '../x'], 'leads out of the roots'),
]


@pytest.mark.parametrize('words, said', STRANGE)
def test_a_passport_of_a_stranger_asks_for_what_is_on_the_list_only(root, words, said):
    with pytest.raises(MTPError) as caught:
        planned(root, finetuned(*words), RUNTIME='native')
    assert said in str(caught.value)
    assert '\x1b' not in str(caught.value)


@pytest.mark.parametrize('config', ['/tmp/evil.py', '../evil.py', 'configs/../../evil.py', 'evil/x.py', 'data/evil.py'])
def test_a_config_of_a_passport_is_one_of_this_checkout(root, config):
    then = finetuned()
    then['command'][2] = config
    with pytest.raises(MTPError, match='a config is Python and runs'):
        planned(root, then, RUNTIME='native')


def test_a_config_of_the_users_own_is_taken_when_the_user_names_it(root):
    then = finetuned()
    then['command'][2] = '/home/me/own.py'
    assert '/home/me/own.py' in planned(root, then, RUNTIME='native', CONFIG='/home/me/own.py').commands[0].words


def test_what_pretraining_may_not_be_asked(root):
    for words in (['--custom_imports', '{"imports": ["x"]}'], ['--custom_hooks', '[]'], ['--config', 'x.json']):
        with pytest.raises(MTPError, match='no flag that a replay takes over'):
            planned(root, changed(command=THEN['command'] + words), RUNTIME='native')


def test_what_a_passport_asks_for_is_shown(root):
    reason = planned(root, finetuned('--cfg-options', 'train_cfg.max_epochs=2'), RUNTIME='native').reason
    assert 'asks for: tools/train.py configs/mmrotate1/dior/a.py --cfg-options train_cfg.max_epochs=2' in reason


@pytest.mark.parametrize('facts', [{'command': 'x'}, {'command': [1]}, {'processes': '4'}, {'processes': 10**9},
                                   {'roots': {}},
                                   {'hardware': []}, {'environment': {'name': 1}}, {'kind': []}, {'metrics': 3}])
def test_parts_of_another_kind_are_named(root, facts):
    with pytest.raises(MTPError, match=f'its {list(facts)[0]} is of another kind'):
        planned(root, changed(**facts), RUNTIME='native')


def test_an_environment_that_nobody_knows(root):
    then = changed()
    then['environment']['name'] = '../evil'
    with pytest.raises(MTPError, match='the ledger has none of that name'):
        planned(root, then, RUNTIME='native')


def test_the_weights_root_may_be_set(root, tmp_path):
    folder = str(tmp_path / 'shelf')
    path = os.path.join(root, 'passport.json')
    with open(path, 'w') as stream:
        json.dump(THEN, stream)
    machine = fakes.machine(root, accel='none', folders=dict.fromkeys(('data', folder, 'work_dirs'), fakes.GOOD))
    made = verbs.plan('replay', fakes.ask(PASSPORT='passport.json', RUNTIME='docker', MTP_WEIGHTS_ROOT=folder), machine)
    assert f'source={folder},target=/weights,readonly' in ' '.join(made.commands[0].words)


def test_the_file_that_was_resumed_is_left_out(root):
    for words in (['--resume', 'work_dirs/x/epoch_1.pth'], ['--resume=work_dirs/x/epoch_1.pth'],
                  ['--resume-from', 'a.pth']):
        line = planned(root, finetuned(*words + ['--amp']), RUNTIME='native').commands[0].words
        assert '--amp' in line and not any('resume' in word or word.endswith('.pth') for word in line)


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


ODD = [None, True, 0, -1, 10 ** 400, float('nan'), '', 'x', '/', '"', '\x1b[2J', [], {}, [[]], {'': {}}, [None],
       {'x': 10 ** 400}]


def places(value, path=()):
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, path + (key,))


def replaced(passport, path, odd):
    made = copy.deepcopy(passport)
    node = made
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = odd
    return made


def test_a_passport_whose_parts_are_of_another_kind_is_told_or_compared(tmp_path, capsys):
    """Every part of a passport, in turn, becomes something else; either of two may be the stranger's."""
    whole, odd_one = tmp_path / 'whole.json', tmp_path / 'odd.json'
    whole.write_text(json.dumps(THEN))
    told = 0
    for path in places(THEN):
        for odd in ODD if path else ():
            odd_one.write_text(json.dumps(replaced(THEN, path, odd)))
            for pair in ((whole, odd_one), (odd_one, whole)):
                try:
                    replay.main([str(each) for each in pair] + ['--tolerance', '0.5'])
                except MTPError as error:
                    assert 'odd.json' in str(error) and error.hint
                    told += 1
    assert told > 100 and '\x1b' not in capsys.readouterr().out


@pytest.mark.parametrize('text', ['', '{', '[]', 'null', '3', '{}', '{"schema": 1}', '\x00', '[' * 5000,
                                  '{"a":' * 900 + '1' + '}' * 900])
def test_what_is_no_passport_is_told(text, tmp_path):
    path = tmp_path / 'passport.json'
    path.write_text(text)
    with pytest.raises(MTPError, match='passport'):
        replay.main([str(path), str(path)])


def test_what_is_typed_after_no_passport_shows_those_that_are_there(tmp_path, monkeypatch):
    work = tmp_path / 'work of mine'
    fakes.touch(str(work / 'run' / 'passport-test.json'))
    monkeypatch.setenv('MTP_WORK_ROOT', str(work))
    said = []
    for content in ('', '{}', json.dumps(dict.fromkeys(replay.passports.KEYS, 1))):
        (tmp_path / 'p.json').write_text(content)
        with pytest.raises(MTPError) as told:
            replay.foreign.facts(replay.passports.read(str(tmp_path / 'p.json')), 'p.json')
        said.append(subprocess.check_output(told.value.hint, shell=True, universal_newlines=True))
    assert said == [str(work / 'run' / 'passport-test.json') + '\n'] * 3


def test_deep_metrics_are_told(tmp_path):
    metrics = {'x': 1}
    for _ in range(400):
        metrics = {'x': metrics}
    path = tmp_path / 'passport.json'
    path.write_text(json.dumps(changed(metrics=metrics)))
    with pytest.raises(MTPError, match='nested too deep'):
        replay.main([str(path), str(path)])


def test_folders_of_other_scripts_are_the_same_run(tmp_path):
    """JSON writes them with escapes, among which a search for the name found nothing."""
    first, second = (changed(folder='/w/' + name, config={'save_path': '/w/' + name}) for name in ('실행', '다시'))
    assert 'config' in replay.compare(first, second)[0][1]
