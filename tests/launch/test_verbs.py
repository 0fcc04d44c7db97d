import os
import shutil

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger, verbs
from mtp.launch.host import Folder
from tests.launch.fakes import ask, checkout, machine, touch

DATASETS = 'eurosat resisc45 xview dior diorr fair1m dotav1 dotav2 spacenetv1 loveda oscd whu levir cdd dota'.split()


@pytest.fixture
def root(tmp_path):
    return checkout(tmp_path)


def planned(verb, root, host=None, **words):
    return verbs.plan(verb, ask(**words), host or machine(root))


def words_of(plan):
    return [' '.join(item.words) for item in plan.commands]


@pytest.mark.parametrize('dataset', DATASETS)
@pytest.mark.parametrize('head', ['finetune', 'test', 'data'])
def test_every_dataset_of_the_paper_has_its_verbs(head, dataset, root):
    verb = f'{head}-{dataset}'
    assert verb in verbs.names()
    try:
        planned(verb, root, RUNTIME='native')
    except MTPError as error:
        assert 'not yet' in str(error) or 'make finetune CONFIG=' in str(error)


@pytest.mark.parametrize('verb, near', [('pretrian', 'make pretrain'), ('test-dotav3', 'make test-dotav'),
                                        ('finetune-dioer', 'make finetune-dior'), ('demos', 'make demo')])
def test_an_unknown_verb_names_near_ones(verb, near, root):
    with pytest.raises(MTPError, match=near) as caught:
        planned(verb, root)
    assert caught.value.code == 2 and repr(verb) in str(caught.value)


def test_a_verb_wakes_up_when_its_config_is_there(root):
    with pytest.raises(MTPError, match='not yet: there is no config for xview') as caught:
        planned('finetune-xview', root)
    assert caught.value.code == 3
    touch(os.path.join(root, 'configs/mmrotate1/xview/retinanet_rvsa_l_416_mae_mtp_xview.py'))
    assert 'retinanet_rvsa_l_416_mae_mtp_xview.py' in words_of(planned('finetune-xview', root))[0]


def test_what_belongs_to_fetching_is_not_handed_to_the_preparation(root):
    fetch, prepare = planned('fetch-cdd', root, ACCEPT_LICENCE='1', ARCHIVES='/stick', RUNTIME='native').commands
    assert fetch.environment['ARCHIVES'] == '/stick' and fetch.environment['ACCEPT_LICENCE'] == '1'
    assert ask(**prepare.environment).given == {'RUNTIME': 'native'}


def test_test_dota_is_test_dotav1(root):
    weights = dict(CHECKPOINT='x.pth', RUNTIME='native')
    touch(os.path.join(root, 'x.pth'))
    assert planned('test-dota', root, **weights) == planned('test-dotav1', root, **weights)
    assert 'configs/mmrotate03/dotav1/' in words_of(planned('test-dota', root, **weights))[0]
    assert 'configs/mmrotate1/dotav1/' in words_of(planned('finetune-dota', root, **weights))[0]


@pytest.mark.parametrize('verb, words', [
    ('finetune', dict(CONFIG='configs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior.py', ENV='mmrotate03')),
    ('finetune-dior', dict(ENV='mmrotate03')),
    ('pretrain', dict(ENV='mmrotate03'))])
def test_an_environment_that_does_not_fit_is_refused_with_both_names(root, verb, words):
    with pytest.raises(MTPError, match='mmrotate1.* mmrotate03 is asked for|mmrotate1.*ENV=mmrotate03 is asked for'):
        planned(verb, root, **words)


@pytest.mark.parametrize('verb', ['pretrain', 'check', 'images', 'finetune-dior'])
def test_an_unknown_environment_is_refused(root, verb):
    with pytest.raises(MTPError, match="no environment 'mmrotate2'"):
        planned(verb, root, ENV='mmrotate2')


def test_a_verb_that_needs_a_config_says_so(root):
    with pytest.raises(MTPError, match='make test needs a config'):
        planned('test', root)


@pytest.mark.parametrize('folders, message, hint', [
    ({'data': Folder(False, False, False)}, 'no folder data (MTP_DATA_ROOT)', 'mkdir -p data'),
    ({'data': Folder(True, False, False)}, 'data (MTP_DATA_ROOT) cannot be read', 'ls -ld data'),
    ({'weights': Folder(False, False, False)}, 'no folder weights (MTP_WEIGHTS_ROOT)', 'MTP_WEIGHTS_ROOT=folder'),
    ({'work_dirs': Folder(True, True, False)}, 'work_dirs (MTP_WORK_ROOT) cannot be written', 'ls -ld work_dirs')])
def test_folders_are_judged_before_anything_starts(root, folders, message, hint):
    host = machine(root)
    plan = planned('pretrain', root, host._replace(folders=dict(host.folders, **folders)))
    assert [(message in problem.message, hint in problem.hint) for problem in plan.problems] == [(True, True)]


def test_a_read_only_data_folder_is_enough_for_training(root):
    host = machine(root)
    readonly = host._replace(folders=dict(host.folders, data=Folder(True, True, False)))
    assert planned('pretrain', root, readonly).problems == ()
    assert 'cannot be written' in planned('data-dior', root, readonly, RUNTIME='native').problems[0].message


def test_the_default_work_folder_is_made_another_one_is_not(root):
    host = machine(root)
    absent = Folder(False, False, False)
    plan = planned('pretrain', root, host._replace(folders=dict(host.folders, work_dirs=absent)))
    assert plan.makes == ('work_dirs',) and plan.problems == ()
    other = host._replace(folders=dict(host.folders, **{'/scrtach': absent}))
    plan = planned('pretrain', root, other, MTP_WORK_ROOT='/scrtach')
    assert plan.makes == () and 'no folder /scrtach' in plan.problems[0].message


def test_a_folder_no_engine_can_bind(root):
    host = machine(root)
    plan = planned('pretrain', root, host._replace(folders=dict(host.folders, **{'/a,b': host.folders['data']})),
                   MTP_DATA_ROOT='/a,b', RUNTIME='docker')
    assert 'comma or colon' in plan.problems[0].message


def test_data_runs_the_catalogues_commands_with_the_data_folder_open(root):
    text, check = words_of(planned('data-dior', root, RUNTIME='docker', GPUS='4'))
    assert text.endswith('mtp/mmrotate1:cu117 python -u scripts/dior_h_2_coco.py')
    assert 'target=/data --mount' in text and '--gpus' not in text
    assert check.endswith('python -u -m mtp.data check dior')


def test_data_without_a_preparation_is_checked(root):
    check, = words_of(planned('data-diorr', root, RUNTIME='docker'))
    assert check.endswith('-m mtp.data check diorr')


def test_words_for_the_preparation_and_for_the_check_of_data(root):
    text, check = words_of(planned('data-dior', root, RUNTIME='docker', ARGS='--overwrite --any-count'))
    assert text.endswith('dior_h_2_coco.py --overwrite') and check.endswith('check dior --any-count')


def test_images_are_built_from_the_ledger(root):
    plan = planned('images', root, VARIANT='cpu')
    assert plan.commands[0].words[1:4] == ('docker/build_ops.py', '--export', 'docker/wheelhouse')
    assert [item.words[:6] for item in plan.commands[1:3]] == [
        ('docker', 'build', '--file', 'docker/Dockerfile', '--tag', f'mtp/{env}:cpu')
        for env in ledger.recorded()]
    assert [item.words[-1] for item in plan.commands[3:]] == [
        f'work_dirs/images/{env}-cpu.cdx.json' for env in ledger.recorded()]
    assert 'LEDGER_DIGEST=' + ledger.inputs('mmrotate1') in plan.commands[1].words
    assert len(planned('images', root, ENV='mmrotate03').commands) == 3
    assert plan.problems == ()


def test_images_at_a_site_with_its_own_index(root):
    words = planned('images', root, PIP_INDEX_URL='https://index/simple', PIP_CERT='/etc/ca.pem').commands[1].words
    assert 'PIP_INDEX_URL=https://index/simple' in words and 'id=ca,src=/etc/ca.pem' in words


@pytest.mark.parametrize('changes, message', [(dict(tools={}), 'docker is not installed'),
                                              (dict(refusal='down'), 'does not answer: down')])
def test_images_without_an_engine(root, changes, message):
    assert message in planned('images', root, machine(root, **changes)).problems[0].message


def test_an_unknown_variant_is_refused(root):
    with pytest.raises(MTPError, match="no variant 'cu118'"):
        planned('images', root, VARIANT='cu118')


def test_sif_files_are_built_from_the_definitions(root):
    plan = planned('sif', root, VARIANT='cpu')
    assert [item.words[-2:] for item in plan.commands] == [
        (f'apptainer/{env}-cpu.sif', f'apptainer/{env}.def') for env in ledger.recorded()]
    assert 'apptainer is not installed' in planned('sif', root, machine(root, tools={})).problems[0].message


def test_the_printed_setup_is_all_its_steps(root):
    lines = words_of(planned('setup', root, DRYRUN='1', ENV='mmrotate03', MTP_VENV_ROOT='/v'))
    assert lines[0] == 'python3.8 -m venv /v/mmrotate03'
    assert any('--require-hashes' in line and line.endswith('mmrotate03-cpu.txt') for line in lines)
    assert any('docker/build_ops.py --env mmrotate03' in line for line in lines)
    assert lines[-1].endswith('docker/selfcheck.py --env mmrotate03 --variant cpu')


def test_check_runs_in_both_environments_and_makes_what_is_missing(root):
    plan = planned('check', root, ARGS='-k boxes')
    assert [item.words[0] for item in plan.commands] == ['.venv/mmrotate1/bin/python', '.venv/mmrotate03/bin/python']
    assert plan.commands[0].words[-2:] == ('-k', 'boxes')
    bare = planned('check', root, machine(root, venvs={'mmrotate03': 'half'}), ENV='mmrotate03')
    assert [item.words[:3] for item in bare.commands] == [
        ('python3', '-m', 'mtp.launch.setup'), ('.venv/mmrotate03/bin/python', '-m', 'pytest')]
    assert bare.commands[0].environment['ENV'] == 'mmrotate03'


@pytest.mark.parametrize('verb, path', [('images', 'docker/Dockerfile'), ('sif', 'apptainer/mmrotate1.def')])
def test_rooms_that_are_not_built(root, verb, path):
    os.unlink(os.path.join(root, path))
    with pytest.raises(MTPError, match='not yet: ' + path) as caught:
        planned(verb, root)
    assert caught.value.code == 3


def test_bench_without_benchmarks_is_not_yet(root):
    with pytest.raises(MTPError, match='not yet') as caught:
        planned('bench', root)
    assert caught.value.code == 3


def test_a_program_of_its_own_gets_the_settings_in_print_too(root):
    touch(os.path.join(root, 'mtp/launch/doctor.py'))
    plan = planned('doctor', root, RUNTIME='docker', DRYRUN='1', ENV='mmrotate1')
    assert plan.commands[0].environment == {'RUNTIME': 'docker', 'ENV': 'mmrotate1'}


def test_planning_makes_nothing(root):
    before = sorted(os.walk(root))
    for verb in ('pretrain', 'finetune-dior', 'images', 'sif', 'check'):
        planned(verb, root)
    assert sorted(os.walk(root)) == before
    shutil.rmtree(root)


@pytest.mark.parametrize('words, asked', [
    (dict(ACCEL='nv'), True), (dict(ACCEL='rocm'), True), (dict(LAUNCHER='slurm', GRES='gpu:2', GPUS='2'), True),
    (dict(LAUNCHER='slurm'), True), (dict(SUBMIT='1'), True), (dict(), False), (dict(ACCEL='none'), False),
    (dict(LAUNCHER='slurm', ACCEL='none'), False)])
@pytest.mark.parametrize('verb', ['pretrain', 'finetune-dior', 'test-fair1m', 'predict'])
def test_a_card_that_was_asked_for_is_said_to_the_program(root, verb, words, asked):
    if verb == 'predict' and 'SUBMIT' in words:
        pytest.skip('told below')
    for name in ('x.pth', 'work_dirs/x'):
        touch(os.path.join(root, name))
    words = dict(words, RUNTIME='native', CHECKPOINT='x.pth')
    words.update(dict(IMAGES='a.tif', CONFIG='oriented_rcnn_rvsa_l_1024_mae_mtp_dota10') if verb == 'predict' else {})
    plan = planned(verb, root, **words)
    text = plan.script.text if plan.script else words_of(plan)[0]
    assert text.rstrip().endswith('--device cuda') is asked


def test_the_users_own_device_is_left_alone(root):
    assert words_of(planned('pretrain', root, ACCEL='nv', ARGS='--device cpu'))[0].count('--device cpu') == 1
    assert '--device cuda' not in words_of(planned('pretrain', root, ACCEL='nv', ARGS='--device=cpu'))[0]


def test_what_needs_no_card_is_told_of_none(root):
    assert not any('--device' in line for line in words_of(planned('data-dior', root, ACCEL='nv', RUNTIME='native')))


def test_a_folder_that_is_missing_or_no_folder_has_a_hint_that_works(root):
    def hint(name):
        path, host = os.path.join(root, name), machine(root)
        host = host._replace(folders=dict(host.folders, **{path: Folder(False, False, False)}))
        return planned('data-dior', root, host, RUNTIME='native', MTP_DATA_ROOT=path).problems[0].hint

    touch(os.path.join(root, 'a file'))
    assert hint('a b').startswith(f"mkdir -p '{root}/a b'")
    assert hint('a file').startswith(f"ls -ld '{root}/a file'")


def test_a_name_with_a_blank_is_one_config_and_one_image(root):
    touch(os.path.join(root, 'configs/mmrotate1/dior/my own.py'))
    touch(os.path.join(root, 'data/a b.tif'))
    for given in ('configs/mmrotate1/dior/my own.py', "'configs/mmrotate1/dior/my own.py'"):
        assert 'configs/mmrotate1/dior/my own.py' in planned('finetune', root, RUNTIME='native',
                                                             CONFIG=given).commands[0].words
    touch(os.path.join(root, 'x.pth'))
    words = dict(RUNTIME='native', CONFIG='oriented_rcnn_rvsa_l_1024_mae_mtp_dota10', CHECKPOINT='x.pth')
    touch(os.path.join(root, 'data/c '))
    for given, seen in (('data/a b.tif', ['data/a b.tif']), ('data/c ', ['data/c ']), (' data/c', ['data/c']),
                        ("'data/a b.tif' c", ['data/a b.tif', 'c']),
                        ('a b', ['a', 'b'])):
        found = planned('predict', root, IMAGES=given, **words).commands[0].words
        assert list(found[4:found.index('--config')]) == seen


def as_nobody(call):
    """Text of what ``call()`` gives a process of another uid, one that owns nothing: as a share sees a root user."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            os.write(writer, str(call()).encode())
        except Exception as error:  # what goes wrong there has to be seen here
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read()


@pytest.mark.skipif(os.getuid() != 0, reason='only root can become somebody else')
@pytest.mark.parametrize('verb, words, left', [
    ('pretrain', {}, 'pretrain'), ('finetune-dior', {}, 'mmrotate1/dior'),
    ('pretrain', dict(SAVE_PATH='work_dirs/mine'), 'mine')])
def test_a_folder_of_the_run_that_is_another_users_is_said_before_it_starts(verb, words, left, root):
    folder = os.path.join(root, 'work_dirs', left)
    os.makedirs(folder)
    os.chmod(folder, 0o755)
    path = root
    while os.stat(path).st_uid == 0 and path.count(os.sep) > 1:  # up to /tmp, which is everybody's
        os.chmod(path, 0o755)
        path = os.path.dirname(path)
    assert not planned(verb, root, RUNTIME='docker', **words).problems  # and everything that planning imports is here
    said = as_nobody(lambda: [problem for problem in planned(verb, root, RUNTIME='docker', **words).problems])
    assert f'the folder {folder}, into which this run writes, cannot be written: it belongs to 0' in said
    assert f'sudo chown -R 1000:100 {folder}' in said


@pytest.mark.parametrize('verb', ['samples', 'data-dotav1', 'data-eurosat'])
def test_a_checkout_that_cannot_be_written_is_no_hindrance_where_results_go_elsewhere(tmp_path, monkeypatch, verb):
    """The folder of a job that names none is the root of the work, not the checkout above it."""
    work = tmp_path / 'results'
    work.mkdir()
    monkeypatch.setattr(verbs.os, 'access', lambda path, mode: not path.startswith(ledger.ROOT))
    host = machine(ledger.ROOT, folders=dict.fromkeys(('data', 'weights', str(work)), Folder(True, True, True)))
    assert not verbs.plan(verb, ask(RUNTIME='native', MTP_WORK_ROOT=str(work)), host).problems
