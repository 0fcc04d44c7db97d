"""A loader whose worker fails, is killed or cannot send says so in a sentence; it never waits for ever."""
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip('torch')

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FEW = (3, 9, 10, 11, 12, 13, 14, 15)
PROGRAM = '''
import os, resource, signal, sys, threading
import torch
from torch.utils.data import DataLoader, Dataset
from mtp import loaders
from mtp.errors import MTPError, run_main

loaders.install()
LIMIT = {limit}

class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(one)
        self.lock = threading.Lock()  # does not pickle

class Tiles(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        {fails}
        return torch.zeros(3, 500, 500)

def main():
    {before}
    count = 0
    for _ in DataLoader(Tiles(), batch_size=2, num_workers=2):
        count += 1
    print('all', count)

run_main(main)
'''


def ran(fails='pass', before='pass', limit=0):
    text = PROGRAM.format(fails=fails, before=before, limit=limit)
    done = subprocess.run([sys.executable, '-c', text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240,
                          universal_newlines=True, env=dict(os.environ, PYTHONPATH=ROOT))
    return done.returncode, done.stdout, done.stderr


def told(*words, **settings):
    code, out, said = ran(*words, **settings)
    assert code in (1, 2) and 'all' not in out and 'Traceback' not in said, said
    assert said.count('error: ') == 1 and '\n  next: ' in said, said
    return said


def test_a_loader_without_a_fault():
    assert ran()[:2] == (0, 'all 4\n')


def test_a_limit_on_the_size_of_files_counts_for_shared_memory():
    said = told(before='resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))')
    assert 'shared memory counts as a file' in said and 'ulimit -f: 64 KiB' in said and 'ulimit -f unlimited' in said


def test_no_descriptor_is_left_in_a_worker():
    said = told('least = os.dup(0); os.close(least); resource.setrlimit(resource.RLIMIT_NOFILE, (least, least))')
    assert 'Too many open files' in said and 'ulimit -n 4096' in said


@pytest.mark.parametrize('more', FEW)
def test_few_descriptors_are_told_as_such_or_are_enough(more):
    """Whichever process lacks the one it needs, and for what: files, shared memory, the way from one to the other."""
    code, out, said = ran(before='least = os.dup(0); os.close(least); '
                                 f'resource.setrlimit(resource.RLIMIT_NOFILE, (least + {more}, least + {more}))')
    assert 'Traceback' not in said, said
    told_so = 'Too many open files' in said and 'ulimit -n 4096' in said
    assert (code, out) == (0, 'all 4\n') or code == 1 and told_so, said


GIVES = '''
import os, resource, time
from multiprocessing import resource_sharer
from mtp import loaders

def kept():
    return [name for name in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + name)
            and os.path.realpath('/proc/self/fd/' + name) == os.devnull]

loaders.install()
before, given = len(kept()), resource_sharer.DupFd(os.open(os.path.join(os.getcwd(), 'pytest.ini'), os.O_RDONLY))
waits, begin = os.pipe()
child = os.fork()
if not child:
    os.read(waits, 1)
    print(os.path.basename(os.readlink('/proc/self/fd/%d' % given.detach())), flush=True)
    os._exit(0)
while len(kept()) < before + 2:
    time.sleep(0.01)
least = os.dup(0)
os.close(least)
resource.setrlimit(resource.RLIMIT_NOFILE, (least, least))
os.write(begin, b'x')
os.waitpid(child, 0)
print('given')
'''


def test_who_has_no_descriptor_left_still_gives_one_away():
    done = subprocess.run([sys.executable, '-c', GIVES], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240,
                          universal_newlines=True, env=dict(os.environ, PYTHONPATH=ROOT), cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, 'pytest.ini\ngiven\n', '')


@pytest.mark.parametrize('when', ['index == 0', 'index == 5'])
def test_a_worker_that_the_kernel_kills(when):
    said = told(f'if {when}: os.kill(os.getpid(), signal.SIGKILL)')
    assert 'a process that reads images' in said and 'WORKERS=1' in said


def test_an_error_with_a_hint_comes_out_as_it_was():
    said = told("if index == 5: raise MTPError('a.png is damaged', hint='rm a.png')")
    assert said == 'error: a.png is damaged\n  next: rm a.png\n'


def test_a_fault_from_outside_names_its_file():
    said = told("path = '/none/a.png'; open(path)")
    assert said.startswith('error: cannot use /none/a.png: No such file or directory')


def test_a_worker_that_is_ended_with_its_parent_is_no_fault():
    said = told("path = '/none/a.png'; index or open(path); import time; time.sleep(60)",
                before='global kept; kept = iter(DataLoader(Tiles(), num_workers=2)); next(kept)')
    assert said == 'error: cannot use /none/a.png: No such file or directory\n  next: ls -ld /none\n'


TOLD_LATE = """
    from mtp import faults
    stock = faults.told
    def late(error):
        import multiprocessing, time
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
        time.sleep(0.5)
        return stock(error)
    faults.told = late"""


def test_the_news_of_a_death_that_come_while_an_error_is_told():
    said = told("path = '/none/a.png'; index or open(path)", before=TOLD_LATE)
    assert said == 'error: cannot use /none/a.png: No such file or directory\n  next: ls -ld /none\n'


def test_a_defect_keeps_its_traceback():
    code, _, said = ran('[][index]')
    assert code == 1 and 'IndexError' in said and 'Traceback' in said


def test_what_cannot_be_sent_is_a_defect_that_does_not_hang():
    code, _, said = ran('return threading.Lock()')
    assert code == 1 and 'TypeError' in said
    code, _, said = ran("raise Odd('strange', 2)")
    assert code == 1 and 'strange' in said


def test_the_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv('MTP_TRACEBACK', '1')
    assert 'Traceback' in ran("open('/none/a.png')")[2]
