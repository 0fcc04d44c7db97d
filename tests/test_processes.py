"""A child that asked for it ends with its parent, by the signal it asked for."""
import signal
import subprocess
import sys

import pytest

from mtp import processes

PARENT = '''
import subprocess, sys
from mtp import processes
subprocess.Popen([sys.executable, '-c', {child!r}], preexec_fn=processes.end_with_parent({number})).wait()
'''
CHILD = '''
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print('told', flush=True), sys.exit()))
print('ready', flush=True)
time.sleep(60)
'''


@pytest.mark.skipif(sys.platform != 'linux', reason='only Linux tells a child that its parent is gone')
@pytest.mark.parametrize('number, said', [(signal.SIGTERM, 'told\n'), (signal.SIGKILL, '')])
def test_a_child_ends_with_its_parent(number, said):
    parent = subprocess.Popen([sys.executable, '-c', PARENT.format(child=CHILD, number=int(number))],
                              stdout=subprocess.PIPE, universal_newlines=True)
    assert parent.stdout.readline() == 'ready\n'
    parent.kill()
    assert parent.stdout.read() == said  # it comes to an end when the child has closed it
    parent.wait(10)
    parent.stdout.close()


def test_elsewhere_it_does_nothing(monkeypatch):
    monkeypatch.setattr(sys, 'platform', 'darwin')
    monkeypatch.setattr(processes.ctypes, 'CDLL', None)
    assert processes.end_with_parent()() is None


@pytest.mark.parametrize('code', [0, 1])
def test_who_has_parted_ends_without_destructors_and_loses_nothing(tmp_path, code):
    program = '''
import atexit, sys, threading, time
from mtp import errors, processes

class Dies:
    def __del__(self):
        print('destructor', flush=True)

kept, late = Dies(), open({path!r}, 'w')
atexit.register(lambda: late.write('closed') and late.close())
left_open = open({path!r} + '.open', 'w')
left_open.write('whole')
said = threading.Event()  # however slow the machine, what is said comes before the thread's word
threading.Thread(target=lambda: (said.wait(), time.sleep(0.3), print('thread'))).start()
if {parted}:
    processes.parted()
errors.run_main(lambda: print('said', end=' ', flush=True) or said.set() or {code})
'''
    for parted in (True, False):
        path = tmp_path / str(parted)
        done = subprocess.run([sys.executable, '-c', program.format(path=str(path), parted=parted, code=code)],
                              stdout=subprocess.PIPE, universal_newlines=True)
        assert done.returncode == code and path.read_text() == 'closed'
        assert (tmp_path / f'{parted}.open').read_text() == 'whole'
        assert done.stdout.split() == ['said', 'thread'] + ['destructor'] * (not parted)
