"""A step of CI that hangs is ended with all that it started, and named."""
import os
import signal
import subprocess
import sys
import time

import pytest

from mtp.launch import ledger

PROGRAM = os.path.join(ledger.ROOT, 'ci', 'limit.py')
sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import limit  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))


def start(*words):
    return subprocess.Popen([sys.executable, PROGRAM] + list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            universal_newlines=True)


def gone(path):
    """Whether the process whose number stands in ``path`` ends soon."""
    number = int(path.read_text())
    for _ in range(100):
        if not os.path.exists(f'/proc/{number}'):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize('script, code', [('exit 0', 0), ('exit 7', 7), ('kill -9 $$', 137)])
def test_a_command_that_ends_in_time_keeps_its_code(script, code):
    job = start('1', 'sh', '-c', 'echo said; ' + script)
    assert job.communicate(timeout=20)[0] == 'said\n' and job.returncode == code


def test_one_that_hangs_is_ended_with_its_children_and_named(tmp_path):
    # A child in a group of its own, as the launcher's are, that holds our output open.
    script = 'set -m; sleep 61 & echo $! >{0}; set +m; sleep 62'.format(tmp_path / 'child')
    job = start('0.01', 'bash', '-c', script)
    said = job.communicate(timeout=20)[0]
    assert job.returncode == limit.TOO_LONG and 'NO END WITHIN 0.0 MINUTES: bash -c' in said
    assert 'sleep 61' in said.split('still there:')[1] and gone(tmp_path / 'child')


def test_one_that_hears_no_signal_is_killed(tmp_path):
    began = time.monotonic()
    code = limit.run(['bash', '-c', 'trap "" TERM; echo $$ >{}; while :; do sleep 0.01; done'.format(tmp_path / 'own')],
                     0.3, grace=0.2)
    assert code == limit.TOO_LONG and time.monotonic() - began < 5 and gone(tmp_path / 'own')


def test_who_ends_the_limit_ends_the_command(tmp_path):
    job = start('1', 'bash', '-c', 'echo $$ >{0}; echo up; exec sleep 63'.format(tmp_path / 'own'))
    assert job.stdout.readline() == 'up\n'
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=20)
    assert job.returncode == 143 and gone(tmp_path / 'own')


def test_a_time_is_wanted():
    job = start('make', 'check')
    assert 'no time and command' in job.communicate(timeout=20)[0] and job.returncode == 2
