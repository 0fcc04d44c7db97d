"""Workers give every result, pass errors on, and end with the command."""
import os
import signal
import subprocess
import sys
import time

import pytest

from mtp.errors import MTPError
from mtp import workers


PROGRAM = '''
import os, time
from mtp import workers

def pid_of_worker(_):
    time.sleep(0.1)
    return os.getpid()

with workers.Pool(2) as pool:
    print(*set(pool.map(pid_of_worker, range(8))), flush=True)
    time.sleep(60)
'''


AFTER_OPENCV = '''
import operator
import cv2, numpy as np
from mtp import workers

cv2.setNumThreads(4)
cv2.resize(np.zeros((3000, 3000, 3), np.uint8), (1500, 1500), interpolation=cv2.INTER_CUBIC)  # by threads
print(*sorted(workers.run(operator.neg, [1, 2, 3], 2)), cv2.getNumThreads())
'''


def square(value):
    if value == 7:
        raise MTPError('seven')
    return value * value


@pytest.mark.parametrize('jobs', [1, 3])
def test_results_and_errors(jobs):
    assert sorted(workers.run(square, [1, 2, 3, 4], jobs)) == [1, 4, 9, 16]
    assert list(workers.run(square, [], jobs)) == []
    with pytest.raises(MTPError, match='seven'):
        list(workers.run(square, [1, 7, 3], jobs))


@pytest.mark.parametrize('jobs', [1, 2])
def test_results_in_order(jobs):
    taken = []
    tasks = (taken.append(value) or value for value in range(100, 130))
    found = workers.in_order(square, tasks, jobs)
    assert next(found) == 10000 and len(taken) < 10  # it does not run ahead
    assert list(found) == [value * value for value in range(101, 130)]
    with pytest.raises(MTPError, match='seven'):
        list(workers.in_order(square, [1, 7, 3], jobs))


def test_workers_begin_after_threads_of_opencv():
    done = subprocess.run([sys.executable, '-c', AFTER_OPENCV], stdout=subprocess.PIPE, universal_newlines=True,
                          timeout=120, env=dict(os.environ, PYTHONPATH=os.getcwd()))
    assert done.stdout.split() == ['-3', '-2', '-1', '4']


def test_workers_end_when_the_command_is_killed():
    child = subprocess.Popen([sys.executable, '-c', PROGRAM], stdout=subprocess.PIPE, universal_newlines=True,
                             env=dict(os.environ, PYTHONPATH=os.getcwd()))
    pids = [int(word) for word in child.stdout.readline().split()]
    assert pids
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    end = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.2)
    assert not any(alive(pid) for pid in pids)


def alive(pid):
    """Whether a process runs; one that ended and that nobody waits for does not."""
    try:
        with open(f'/proc/{pid}/stat') as stream:
            return stream.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize('limit', [12, 16])
def test_too_few_descriptors_end_the_command_and_its_workers(limit):
    code = ('import operator, resource\n'
            'from mtp.errors import run_main\n'
            'from mtp import workers\n'
            f'resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))\n'
            'run_main(lambda: print(list(workers.run(operator.neg, range(99), 4))))')
    done = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100)
    assert done.returncode == 1 and b'Too many open files' in done.stderr and b'next: ulimit -n' in done.stderr
    assert b'Traceback' not in done.stderr


ALL_CANCELLED = '''
import operator, time
from mtp import workers

pool = workers.Pool(2)
assert pool.submit(operator.neg, 1).result() == -1
names = ('_queue_management_thread_wakeup', '_executor_manager_thread_wakeup')  # Python 3.8, later ones
wakeup = next(getattr(pool, name) for name in names if hasattr(pool, name))
stock = wakeup.clear
wakeup.clear = lambda: (time.sleep(0.5), stock())  # the thread of the pool is slow to see why it was woken
for future in [pool.submit(operator.neg, number) for number in range(3)]:
    assert future.cancel()
pool.shutdown()
print('over')
'''


def test_a_pool_ends_after_all_that_waited_was_cancelled():
    """As a bad item does it, whose error stops the rest."""
    done = subprocess.run([sys.executable, '-c', ALL_CANCELLED], stdout=subprocess.PIPE, universal_newlines=True,
                          timeout=60, env=dict(os.environ, PYTHONPATH=os.getcwd()))
    assert done.stdout == 'over\n'


HALF_A_RESULT = '''
import os, signal, struct, sys
from mtp import workers
from mtp.errors import run_main

workers.WATCH_SECONDS = 0.5

def half(value):
    """Die in the middle of writing a result, with the lock of the pipe held, as the kernel's killer may have it."""
    if value == 3:
        frame = sys._getframe()
        while 'result_queue' not in frame.f_locals:
            frame = frame.f_back
        results = frame.f_locals['result_queue']
        results._wlock.acquire()
        os.write(results._writer.fileno(), struct.pack('!i', 1000) + b'half')
        os.kill(os.getpid(), signal.SIGKILL)
    return value

run_main(lambda: print(list(workers.{function}(half, range(20), 3))))
'''


@pytest.mark.parametrize('function', ['run', 'in_order'])
def test_a_worker_that_is_killed_while_it_hands_over_its_result(function):
    """The pool reads the rest of it for ever, and the other workers wait for the lock."""
    done = subprocess.run([sys.executable, '-c', HALF_A_RESULT.replace('{function}', function)],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=100, universal_newlines=True,
                          env=dict(os.environ, PYTHONPATH=os.getcwd()))
    assert done.returncode == 1 and 'a worker process died' in done.stderr and 'Traceback' not in done.stderr
    assert 'next: take fewer processes' in done.stderr
