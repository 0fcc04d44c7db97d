import os

from mtp.demo import stages
from mtp.launch import jobs, ledger


def test_every_stage_starts_a_program_that_is_there():
    for stage in stages.stages():
        jobs.need_file(ledger.ROOT, stage.script)
        assert stage.env in ledger.names()


def test_configs_of_the_targets_are_there_in_both_environments():
    for target in stages.TARGETS:
        for env in ledger.names():
            assert os.path.isfile(os.path.join(ledger.ROOT, 'configs', env, 'demo', target.config + '.py'))


def test_no_stage_names_an_absolute_path_or_a_folder_outside_the_demo():
    for stage in stages.stages():
        for word in stage.script:
            path = word.rpartition('=')[2]
            assert not path.startswith('/')
            assert not path.startswith('work_dirs/') or path.startswith(stages.HOME)


def test_only_stages_before_training_write_data():
    names = [stage.name for stage in stages.stages() if stage.writes_data]
    assert not [name for name in names if name.startswith(('pretrain', 'finetune', 'test', 'score', 'validate'))]
