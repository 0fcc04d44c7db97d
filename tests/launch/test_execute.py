import os
import signal
import subprocess
import sys
import time

import pytest

from mtp.errors import MTPError
from mtp.launch import execute, ledger
from mtp.launch.plan import Plan, Problem, command


def plan(root, *codes, **changes):
    commands = tuple(command([sys.executable, '-c', code], {'GIVEN': 'yes'}) for code in codes)
    return Plan('', str(root), commands, (), ())._replace(**changes)


def test_runs_in_its_folder_with_its_variables(tmp_path):
    code = 'import os; open("out", "w").write(os.environ["GIVEN"] + os.environ["PATH"][:0])'
    assert execute.run(plan(tmp_path, code, makes=('work_dirs',))) == 0
    assert (tmp_path / 'out').read_text() == 'yes' and (tmp_path / 'work_dirs').is_dir()


def test_stops_at_the_first_failure_with_its_exit_code(tmp_path):
    assert execute.run(plan(tmp_path, 'raise SystemExit(7)', 'open("out", "w")')) == 7
    assert not (tmp_path / 'out').exists()


def test_a_command_killed_by_a_signal_has_the_shells_exit_code(tmp_path):
    assert execute.run(plan(tmp_path, 'import os; os.kill(os.getpid(), 9)')) == 137


def test_nothing_starts_while_something_is_missing(tmp_path):
    with pytest.raises(MTPError, match='no data'):
        execute.run(plan(tmp_path, 'open("out", "w")', problems=(Problem('no data', ''),), makes=('work_dirs',)))
    assert os.listdir(str(tmp_path)) == []


def test_a_folder_that_cannot_be_made_is_named_with_the_setting_that_takes_another(tmp_path):
    (tmp_path / 'work_dirs').write_text('a file')
    with pytest.raises(MTPError, match='cannot make the folder .*work_dirs(.|\n)*MTP_WORK_ROOT=folder'):
        execute.run(plan(tmp_path, 'open("out", "w")', makes=('work_dirs',)))
    assert not (tmp_path / 'out').exists()


CHILD = '''
import signal, sys, time
seen = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: seen.append(number))
print("ready", flush=True)
while not seen:
    time.sleep(0.01)
time.sleep(0.3)
print("seen", [int(number) for number in seen], flush=True)
sys.exit(75)
'''


@pytest.mark.parametrize('number, group', [(signal.SIGTERM, False), (signal.SIGINT, False), (signal.SIGINT, True)],
                         ids=['TERM', 'INT', 'INT-from-a-terminal'])
def test_a_signal_reaches_the_command_exactly_once(number, group):
    code = (f'import sys; sys.path.insert(0, {ledger.ROOT!r})\nfrom mtp.launch import execute\n'
            f'sys.exit(execute.call([sys.executable, "-c", {CHILD!r}], None, "."))')
    ours = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, universal_newlines=True,
                            preexec_fn=os.setpgrp)
    assert ours.stdout.readline() == 'ready\n'
    time.sleep(0.05)
    if group:
        os.killpg(ours.pid, number)  # what a terminal does: everybody in the group gets it
    else:
        os.kill(ours.pid, number)
    assert ours.stdout.read() == f'seen [{int(number)}]\n'
    assert ours.wait(10) == 75


def test_no_command_outlives_a_launcher_that_is_killed():
    code = (f'import sys; sys.path.insert(0, {ledger.ROOT!r})\nfrom mtp.launch import execute\n'
            f'execute.call([sys.executable, "-c", {CHILD!r}], None, ".")')
    ours = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, universal_newlines=True)
    assert ours.stdout.readline() == 'ready\n'
    ours.kill()
    assert ours.stdout.read() == f'seen [{int(signal.SIGTERM)}]\n'
    ours.wait(10)
