"""The batch script that SUBMIT=1 hands in, and batch.sh with made-up srun and scontrol."""
import os
import signal
import subprocess
import time

import pytest

from mtp.errors import MTPError
from mtp.launch import batch, execute, ledger, verbs
from mtp.launch import plan as planning
from tests.launch.fakes import ask, checkout, machine, touch

SCRIPT = os.path.join(ledger.ROOT, 'mtp', 'launch', 'batch.sh')
SCONTROL = '''#!/bin/bash
echo "$*" >>"$OUT/scontrol"
[ "$1" = show ] && echo "JobId=7 JobState=${STATE:-RUNNING}"
[ "$1" = requeue ] && kill -TERM $PPID  # SLURM ends the job
exit 0
'''
SRUN = '''#!/bin/bash
echo "$*" >>"$OUT/srun"
[[ $* == *--overlap* ]] && exit "${NODES_ANSWER:-0}"
told() {
  echo USR1 >>"$OUT/heard"
  [ -z "$DEAF" ] || { DEAF=; return; }
  [ -z "$KEEPS" ] || touch "$OUT/kept/a.pth"
  exit ${ON_USR1:-75}
}
trap told USR1
[ -z "$WAITS" ] || { touch "$OUT/started"; while :; do sleep 0.02; done; }
exit "${CODE:-0}"
'''
SLEEP = '''#!/bin/bash
exec /bin/sleep $([ "$1" = 15 ] && echo 0.5 || echo 0.02)
'''


@pytest.fixture
def world(tmp_path):
    (tmp_path / 'bin').mkdir()
    (tmp_path / 'kept').mkdir()
    for name, text in (('scontrol', SCONTROL), ('srun', SRUN), ('sleep', SLEEP)):
        (tmp_path / 'bin' / name).write_text(text)
        (tmp_path / 'bin' / name).chmod(0o755)
    return tmp_path


def start(world, *words, **environment):
    own = dict(PATH='{}:/usr/bin:/bin'.format(world / 'bin'), OUT=str(world), SLURM_JOB_ID='7',
               SLURM_JOB_NODELIST='n[1-2]',
               SLURM_JOB_NUM_NODES='2', TMPDIR=str(world))
    return subprocess.Popen(['bash', SCRIPT, '--kept', str(world / 'kept')] + list(words) + ['srun', 'work'],
                            env=dict(own, **environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True)


def ended(job):
    """(exit code, lines of ours without their time, everything)."""
    output = job.communicate(timeout=30)[0]
    return job.returncode, [line[26:] for line in output.splitlines() if line.startswith('[mtp]')], output


def asked(world, name='scontrol'):
    path = world / name
    return path.read_text().splitlines() if path.exists() else []


def warned(world, **environment):
    """What becomes of a job that hears of its time limit."""
    job = start(world, WAITS='1', **environment)
    while not (world / 'started').exists():
        time.sleep(0.01)
    job.send_signal(signal.SIGUSR1)
    return ended(job)


def test_a_job_that_is_done_is_complete(world):
    code, said, _ = ended(start(world))
    assert code == 0 and said == ['job 7 on n[1-2], start 1', 'complete'] and not asked(world)
    assert ended(start(world, '--name', 'finetune-x'))[1][0] == 'job 7 on n[1-2], start 1: finetune-x'


def test_the_time_limit_is_passed_on_and_the_job_sent_back(world):
    _, said, _ = warned(world, KEEPS='1')
    assert asked(world, 'heard') == ['USR1'] and asked(world)[-1] == 'requeue 7'
    assert said[-1] == 'requeued: it was asked to stop and has saved'


def test_one_that_cannot_save_in_time_goes_on_from_what_it_kept(world):
    _, said, _ = warned(world, ON_USR1='138', KEEPS='1')
    assert asked(world)[-1] == 'requeue 7' and 'goes on from what it has kept' in said[-1]


def test_one_that_keeps_nothing_within_its_time_does_not_come_back_for_ever(world):
    (world / 'kept' / 'old.pth').write_text('')
    os.utime(str(world / 'kept' / 'old.pth'), (1, 1))
    code, said, _ = warned(world, ON_USR1='138', MTP_START_SECONDS='0')
    assert code == 138 and not asked(world) and 'TIME_LIMIT' in said[-1]


@pytest.mark.parametrize('code', ['75', '138'])  # Python was up and heard it, or was not
def test_one_that_is_stopped_while_it_starts_comes_back(world, code):
    said = warned(world, ON_USR1=code)[1]
    assert asked(world)[-1] == 'requeue 7' and said[-1] == 'requeued: it was asked to stop while it was starting'


def test_one_whose_time_is_too_short_to_start_has_three_tries(world):
    assert warned(world, ON_USR1='138', SLURM_RESTART_COUNT='2')[1][-1].startswith('requeued')
    (world / 'started').unlink()
    assert 'TIME_LIMIT' in warned(world, ON_USR1='138', SLURM_RESTART_COUNT='3')[1][-1]
    (world / 'started').unlink()
    (world / 'kept' / 'old.pth').write_text('')  # it can: this time it was not let
    os.utime(str(world / 'kept' / 'old.pth'), (1, 1))
    assert warned(world, ON_USR1='138', SLURM_RESTART_COUNT='3')[1][-1].startswith('requeued')


def test_one_that_srun_did_not_tell_is_told_again(world):
    job = start(world, WAITS='1', DEAF='1', KEEPS='1')
    while not (world / 'started').exists():
        time.sleep(0.01)
    job.send_signal(signal.SIGUSR1)
    _, said, _ = ended(job)
    assert asked(world, 'heard') == ['USR1', 'USR1'] and said[-1].endswith('it was asked to stop and has saved')


def test_a_job_that_slurm_ends_is_left_to_slurm(world):
    code, said, _ = ended(start(world, CODE='75', STATE='COMPLETING'))
    assert code == 75 and asked(world) == ['show job 7'] and 'SLURM is ending this job' in said[-1]
    job = start(world, WAITS='1', ON_USR1='75')
    while not (world / 'started').exists():
        time.sleep(0.01)
    job.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    job.send_signal(signal.SIGUSR1)  # only so that the made-up srun ends
    ended(job)
    assert 'requeue 7' not in asked(world)


def test_a_node_that_is_gone_sends_the_job_back(world):
    _, said, _ = ended(start(world, CODE='1', NODES_ANSWER='1'))
    assert asked(world)[-1] == 'requeue 7' and said[-1] == 'requeued: a node does not answer'
    assert '--overlap --nodes=2 --ntasks=2' in asked(world, 'srun')[1]


def test_a_fault_of_the_program_is_a_failure(world):
    code, said, _ = ended(start(world, CODE='2'))
    assert code == 2 and not asked(world) and said[-1] == 'failed with exit code 2'


def test_a_fault_that_always_comes_back_ends_some_day(world):
    code, said, _ = ended(start(world, CODE='75', SLURM_RESTART_COUNT='3', MTP_RESTARTS='3'))
    assert code == 1 and not asked(world) and 'started 4 times' in said[-1]


def test_a_repeat_that_finds_something_resumes(world):
    ended(start(world, '--again', '--resume', SLURM_RESTART_COUNT='1'))
    (world / 'kept' / 'epoch_1.pth').write_text('')
    ended(start(world, '--again', '--resume'))
    ended(start(world, '--again', '--resume', SLURM_RESTART_COUNT='1'))
    assert asked(world, 'srun') == ['work', 'work', 'work --resume']


def submitted(tmp_path, verb='finetune', **words):
    return verbs.plan(verb, ask(SUBMIT='1', RUNTIME='apptainer', **words), machine(checkout(tmp_path)))


DIOR = 'dior/faster_rcnn_rvsa_l_800_mae_mtp_dior'


def test_submitting_writes_the_script_and_hands_it_in(tmp_path, monkeypatch):
    plan = submitted(tmp_path, CONFIG=DIOR)
    assert plan.commands[0].words == ('sbatch', 'work_dirs/slurm/finetune-faster_rcnn_rvsa_l_800_mae_mtp_dior.sbatch')
    seen = []
    monkeypatch.setattr(execute, 'call', lambda words, environment, root: seen.append(words) or 0)
    assert execute.run(plan) == 0 and seen == [plan.commands[0].words]
    with open(os.path.join(plan.root, plan.script.path)) as stream:
        assert stream.read() == plan.script.text
    assert subprocess.call(['bash', '-n', os.path.join(plan.root, plan.script.path)]) == 0


def test_what_is_printed_is_the_script(tmp_path):
    plan = submitted(tmp_path, CONFIG=DIOR, TIME_LIMIT='12:00:00', SBATCH_ARGS='--account=x --mem=0')
    text = planning.render(plan)
    lines = text.splitlines()
    assert lines[0] == '#!/usr/bin/env bash' and '#SBATCH --time=12:00:00' in lines
    assert lines.index('#SBATCH --account=x') > lines.index('#SBATCH --requeue')  # the user's word is the last
    assert '--kept work_dirs/mmrotate1/dior/faster_rcnn_rvsa_l_800_mae_mtp_dior --again --resume ' in text.replace(
        ' \\\n  ', ' ')


def test_several_configs_are_an_array(tmp_path):
    other = 'dior/faster_rcnn_rvsa_l_800_mae_dior'
    plan = submitted(tmp_path, CONFIG=DIOR + ' ' + other)
    assert plan.script.path.endswith('finetune-2-configs.sbatch')
    names = ','.join('finetune-' + path.split('/')[1] for path in (DIOR, other))
    assert f'#SBATCH --comment={names},mtp:' in plan.script.text
    assert '#SBATCH --array=0-1\n' in plan.script.text and '%x-%A_%a.log' in plan.script.text
    first, second = plan.script.text.split('1)\n')
    assert DIOR in first and other in second and second.rstrip().endswith('esac')
    assert subprocess.run(['bash', '-n'], input=plan.script.text.encode()).returncode == 0
    assert len(verbs.plan('finetune', ask(CONFIG=DIOR + ' ' + other), machine(plan.root)).commands) == 2  # in turn


def test_what_is_no_batch_job_is_refused(tmp_path):
    with pytest.raises(MTPError, match='SUBMIT=1 goes with pretrain, finetune, test, predict, reproduce, data; samples '
                                       'is not'):
        submitted(tmp_path, 'samples')


@pytest.mark.parametrize('value', ['1h', '-1', 'tomorrow'])
def test_a_time_that_slurm_cannot_read_is_refused(value):
    with pytest.raises(MTPError, match='TIME_LIMIT'):
        ask(TIME_LIMIT=value)


@pytest.mark.parametrize('limit, seconds', [('', 300), ('90', 300), ('2', 30), ('10:40', 160), ('0:04:00', 60),
                                            ('1-0', 300),
                                            ('0-0:08', 120), ('0-0:0:40', 10), ('0', 1)])
def test_a_short_job_is_told_late(limit, seconds):
    assert batch.lead(limit) == seconds


def test_data_is_one_job_in_which_the_verb_itself_runs(tmp_path):
    text = submitted(tmp_path, 'data-dior', ARGS='--any-count', TIME_LIMIT='60', PARTITION='gpu').script.text
    flat = text.replace(' \\\n  ', ' ')
    assert '#SBATCH --ntasks=1\n' in text and '--gres' not in text and '#SBATCH --time=60\n' in text
    assert "exec bash mtp/launch/batch.sh --name data-dior --kept '' env ARGS=--any-count LAUNCHER=slurm " \
        'RUNTIME=apptainer SUBMIT=0 python3 -m mtp.launch data-dior\n' in flat
    inner = verbs.plan('data-dior', ask(LAUNCHER='slurm', RUNTIME='apptainer', ARGS='--any-count'),
                       machine(str(tmp_path)))
    assert [item.words[0] for item in inner.commands] == ['srun', 'srun']


def test_reproduce_is_one_job_that_goes_on_from_its_checkpoints(tmp_path):
    touch(str(tmp_path / 'mtp/reproduce/__main__.py'))
    words = dict(CONFIG=DIOR, GPUS='4', GRES='gpu:4', NODES='2', ACCUMULATE='1')
    flat = submitted(tmp_path, 'reproduce', **words).script.text.replace(' \\\n  ', ' ')
    assert '#SBATCH --gres=gpu:4\n' in flat and '#SBATCH --ntasks=8\n' in flat and '--again' not in flat
    assert f'--kept work_dirs/mmrotate1/{DIOR} env ACCUMULATE=1 CONFIG={DIOR} GPUS=4 GRES=gpu:4 LAUNCHER=slurm' in flat
    small = submitted(tmp_path, 'reproduce', DATA='samples', **words).script.text
    assert '--kept work_dirs/rehearsal/mmrotate1/' + DIOR in small


def test_predict_is_a_job_on_one_card(tmp_path):
    touch(str(tmp_path / 'x.pth'))
    text = submitted(tmp_path, 'predict', CONFIG='oriented_rcnn_rvsa_l_1024_mae_mtp_dota10', CHECKPOINT='x.pth',
                     IMAGES='data/a.tif',
                     OUT='work_dirs/out', GRES='gpu:a100').script.text
    assert '#SBATCH --gres=gpu:a100:1\n' in text and '--kept work_dirs/out ' in text and '--device cuda' in text


def test_a_second_job_for_the_same_place_is_refused_with_the_name_of_the_first(tmp_path):
    root = checkout(tmp_path)
    first = verbs.plan('pretrain', ask(SUBMIT='1', RUNTIME='apptainer', SAVE_PATH='work_dirs/a'), machine(root))
    comment = [line for line in first.script.text.splitlines() if '--comment' in line][0].split('=', 1)[1]
    host = machine(root, queue=(('41', 'other', 'RUNNING', 'mine'), ('42', 'pretrain-x', 'PENDING', comment)))
    again = verbs.plan('pretrain', ask(SUBMIT='1', RUNTIME='apptainer', SAVE_PATH=str(tmp_path / 'work_dirs/a')), host)
    problem, = again.problems
    assert problem.message == 'job 42 (pretrain-x, pending) writes to {} already'.format(tmp_path / 'work_dirs/a')
    assert 'scancel 42' in problem.hint
    assert not verbs.plan('pretrain', ask(SUBMIT='1', RUNTIME='apptainer', SAVE_PATH='work_dirs/b'), host).problems


def test_one_of_an_array_is_the_same_place_as_alone(tmp_path):
    root = checkout(tmp_path)
    text = verbs.plan('finetune', ask(SUBMIT='1', RUNTIME='apptainer', CONFIG=DIOR
                                      + ' dior/faster_rcnn_rvsa_l_800_mae_dior'),
                      machine(root)).script.text
    comment = [line for line in text.splitlines() if '--comment' in line][0].split('=', 1)[1]
    host = machine(root, queue=(('7_1', 'finetune-2-configs', 'RUNNING', comment),))
    assert 'job 7_1' in verbs.plan('finetune', ask(SUBMIT='1', RUNTIME='apptainer', CONFIG=DIOR),
                                   host).problems[0].message


def test_work_that_goes_on_from_whatever_is_there_comes_back(world):
    job = subprocess.Popen(['bash', SCRIPT, '--kept', '', 'srun', 'work'], stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT,
                           universal_newlines=True, env=dict(
                               PATH='{}:/usr/bin:/bin'.format(world / 'bin'), OUT=str(world), SLURM_JOB_ID='7',
                               WAITS='1',
                               ON_USR1='138', SLURM_JOB_NODELIST='n1', SLURM_JOB_NUM_NODES='1', TMPDIR=str(world)))
    while not (world / 'started').exists():
        time.sleep(0.01)
    job.send_signal(signal.SIGUSR1)
    assert ended(job)[1][-1] == 'requeued: the time limit is near, and it goes on from what it has kept'
