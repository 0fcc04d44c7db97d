import pytest

from mtp.errors import MTPError
from mtp.launch import plan as planning
from mtp.launch import settings, uses, verbs
from tests.launch.fakes import ask, checkout, machine


def typed(**words):
    return ask(**words)._replace(typed=tuple(words))


def read_names():
    class Asked(dict):
        def get(self, key, default=None):
            seen.add(key)
            return super(Asked, self).get(key, default)

    seen = set()
    settings.from_environ(Asked(HOME='/home/user'))
    return seen - {'HOME', 'XDG_CACHE_HOME', 'PYTHONPATH', 'MTP_HOOKS_PATH'}  # of the machine, not of a verb


def test_every_verb_and_every_setting_has_its_place_in_the_table():
    assert set(uses.USES) == set(verbs.VERBS) | set(verbs.DATASET_VERBS) | {'help'}
    assert read_names() == uses.known()
    assert set(uses.NEEDS) < uses.known()


def test_a_verb_uses_what_it_is_said_to_use(tmp_path):
    """Each setting of the table changes the plan of its verb, where the plan is the place."""
    root = checkout(tmp_path)

    def planned(verb, **words):
        words = dict(dict(RUNTIME='docker', LAUNCHER='slurm', CONFIG='oriented_rcnn_rvsa_l_1024_mae_mtp_dota10'),
                     **words)
        return verbs.plan(verb, ask(**words), machine(root))

    for verb in ('pretrain', 'finetune', 'data-dior'):
        for name, value in (('PARTITION', 'x'), ('TIME_LIMIT', '7'), ('CPUS_PER_TASK', '3'), ('JOB', 'y'),
                            ('SRUN_ARGS', '-x'),
                            ('SHM_SIZE', '1g'), ('IMAGE', 'z'), ('DOCKER_ARGS', '--q'), ('CODE', 'image'),
                            ('ACCEL', 'rocm'),
                            ('ARGS', '--v'), ('MTP_SITE_SETUP', '/s')):
            assert name in uses.of(verb)
            if (name, verb) not in (('ACCEL', 'data-dior'), ('SHM_SIZE', 'pretrain'), ('SHM_SIZE', 'finetune')):
                assert planned(verb, **{name: value})[2:4] != planned(verb)[2:4], (verb, name)


@pytest.mark.parametrize('verb, words, said', [
    ('samples', dict(GPUS='4'), 'GPUS is nothing that make samples uses; it goes with doctor, finetune, '),
    ('data-dior', dict(CONFIG='x'), 'CONFIG is nothing that make data-dior uses; it goes with finetune, predict, '),
    ('setup', dict(RUNTIME='docker'), 'RUNTIME is nothing that make setup uses'),
    ('pretrain', dict(CONFIG='x'), 'CONFIG is nothing that make pretrain uses'),
    ('finetune', dict(SAVE_PATH='x', CONFIG='y'),
     'SAVE_PATH is nothing that make finetune uses; it goes with pretrain'),
    ('pretrain', dict(GRES='gpu:2'), 'GRES goes with LAUNCHER=slurm or SUBMIT=1; here it changes nothing'),
    ('pretrain', dict(TIME_LIMIT='5'), 'TIME_LIMIT goes with LAUNCHER=slurm'),
    ('pretrain', dict(SBATCH_ARGS='-x', LAUNCHER='slurm'), 'SBATCH_ARGS goes with SUBMIT=1'),
    ('pretrain', dict(SIF='x', RUNTIME='docker'), 'SIF goes with RUNTIME=apptainer'),
    ('pretrain', dict(NODE_RANK='1'), 'NODE_RANK goes with NODES above one')])
def test_a_setting_without_effect_is_refused_where_it_was_typed_and_said_where_it_was_exported(tmp_path, verb, words,
                                                                                               said):
    with pytest.raises(MTPError) as caught:
        uses.check(verb, typed(**words))
    assert said in str(caught.value) and caught.value.hint
    assert any(said in line for line in uses.check(verb, ask(**words)))


@pytest.mark.parametrize('name, near', [('GPU', 'GPUS'), ('NODE', 'NODES'), ('PARTITON', 'PARTITION'),
                                        ('CHECKPIONT', 'CHECKPOINT'),
                                        ('MTP_DATA_ROT', 'MTP_DATA_ROOT')])
def test_a_misspelt_setting_is_refused_with_the_right_one(name, near):
    with pytest.raises(MTPError, match=f'there is no setting {name}\n  next: did you mean {near}'):
        uses.check('pretrain', ask()._replace(typed=(name,)))


@pytest.mark.parametrize('name', ['NCCL_DEBUG', 'TMPDIR', 'PYTHON', 'OMP_NUM_THREADS', 'APPTAINER_CACHEDIR',
                                  'CXX'])
def test_what_other_programs_read_is_no_mistake(name):
    assert uses.check('pretrain', ask()._replace(typed=(name,))) == ()


def test_roots_and_names_that_are_everybodys_may_be_exported():
    assert uses.check('setup', ask(MTP_DATA_ROOT='/d', MTP_WORK_ROOT='/w', JOB='x', OUT='y', DATA='z')) == ()


def test_the_warning_is_printed_with_the_plan(tmp_path):
    plan = verbs.plan('check', ask(NODES='2'), machine(checkout(tmp_path)))
    assert '# warning: NODES is nothing that make check uses' in planning.render(plan)
