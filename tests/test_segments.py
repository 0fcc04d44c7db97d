"""A segment of shared memory whose name somebody else has is made under the next name; none is left behind."""
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip('torch')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAM = '''
import os, resource
import torch
from torch.utils.data import DataLoader
from mtp import loaders

OURS = '/dev/shm/torch_%d_' % os.getpid()

def take(*numbers):
    for number in numbers:
        open(OURS + str(number), 'x').close()

def left():
    return sorted(name for name in os.listdir('/dev/shm') if name.startswith(os.path.basename(OURS)))

def release():
    for name in left():
        os.unlink('/dev/shm/' + name)

loaders.install()
loaders.install()
release()  # what an older process of this number has left
try:
    {does}
finally:
    release()
'''
drawn = pytest.mark.skipif(not hasattr(torch._C, 'FloatStorageBase'), reason='this torch draws the names itself')


def ran(does):
    done = subprocess.run([sys.executable, '-c', PROGRAM.format(does=does)], stdout=subprocess.PIPE, timeout=240,
                          stderr=subprocess.PIPE, universal_newlines=True, env=dict(os.environ, PYTHONPATH=ROOT))
    assert done.returncode == 0, done.stderr
    return done.stdout


@drawn
def test_names_that_are_taken_are_passed_over_and_stay():
    assert ran('take(0, 1, 3); print([torch.ones(4).share_memory_().sum().item() for _ in range(3)], len(left()))'
               ) == '[4.0, 4.0, 4.0] 3\n'


def test_a_segment_for_the_results_of_a_reader_is_made_under_the_next_name():
    does = 'take(0); print(torch.FloatStorage._new_shared(5).size(), torch.ByteStorage._new_shared(5).is_shared())'
    assert ran(does) == '5 True\n'


READERS = """
    def begin(worker):
        global OURS
        OURS = '/dev/shm/torch_%d_' % os.getpid()
        release()
        take(0, 1)

    readers = iter(DataLoader(torch.ones(4, 3), batch_size=2, num_workers=2, worker_init_fn=begin))
    print([batch.sum().item() for batch in readers])
    for reader in readers._workers:
        OURS = '/dev/shm/torch_%d_' % reader.pid
        print(left() == [os.path.basename(OURS) + number for number in '01'])
        release()
"""


def test_readers_whose_names_are_taken_give_their_batches():
    """Each reader has its own number: the names are taken when it starts."""
    assert ran(READERS.strip()) == '[6.0, 6.0]\nTrue\nTrue\n'


FAILS = '''
    before = resource.getrlimit(resource.{limit})
    resource.setrlimit(resource.{limit}, ({most}, before[1]))
    try:
        torch.ones(1 << 20).share_memory_()
    except RuntimeError as error:
        resource.setrlimit(resource.{limit}, before)
        print(str(error).rpartition('> ')[2], left())
'''


@drawn
@pytest.mark.parametrize('limit, most, says', [
    ('RLIMIT_FSIZE', '1 << 16', 'to the right size []\n'),
    ('RLIMIT_NOFILE', '3', 'in read-write mode: Too many open files (24) []\n')])
def test_a_segment_that_cannot_be_made_leaves_nothing_and_says_why(limit, most, says):
    assert ran(FAILS.format(limit=limit, most=most).strip()) == says
