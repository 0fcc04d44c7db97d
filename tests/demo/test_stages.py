import os

from mtp.demo import stages
from mtp.demo.__main__ import numbered
from mtp.launch import jobs, ledger


def every_stage(data=''):
    return [stage for lanes in stages.groups(data) for lane in lanes for stage in lane]


def test_stages_are_numbered_through_and_have_names_of_their_own():
    numbers = [number for lanes in numbered(stages.groups()) for lane in lanes for number, _ in lane]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(set(stage.name for stage in every_stage('folder'))) == len(numbers) + 1


def test_every_stage_starts_a_program_that_is_there():
    for stage in every_stage():
        jobs.need_file(ledger.ROOT, stage.script)
        assert stage.env in ledger.names()


def test_configs_of_the_targets_are_there_in_both_environments():
    for target in stages.TARGETS:
        for env in ledger.recorded():
            assert os.path.isfile(os.path.join(ledger.ROOT, 'configs', env, 'demo', target.config + '.py'))


def test_no_stage_names_an_absolute_path_or_a_folder_outside_the_demo():
    for stage in every_stage():
        for word in stage.script:
            path = word.rpartition('=')[2]
            assert not path.startswith('/')
            assert not path.startswith('work_dirs/') or path.startswith(stages.HOME)


def test_only_stages_before_training_write_data():
    names = [stage.name for stage in every_stage() if stage.writes_data]
    assert not [name for name in names if name.startswith(('pretrain', 'finetune', 'test', 'score', 'validate'))]
