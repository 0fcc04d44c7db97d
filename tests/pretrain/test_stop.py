"""A run that is asked to stop before it has begun says "continue me", too."""
import os
import signal
import subprocess
import sys
import time

import pytest

from mtp.errors import CONTINUE
from mtp.processes import GENTLE

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, os.pardir)


def catches(pid, number):
    """Whether a process has a handler of its own for a signal."""
    with open(f'/proc/{pid}/status') as stream:
        caught = [line.split()[1] for line in stream if line.startswith('SigCgt')]
    return int(caught[0], 16) >> (number - 1) & 1


@pytest.mark.skipif(not os.path.exists('/proc/self/status'), reason='asks /proc')
@pytest.mark.parametrize('number', [signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_during_the_imports(samrs_root, tmp_path, number):
    words = ('--backbone vit_t_rvsa --image_size 64 --init_backbone none --tasks ss --datasets sota --batch_size 1 '
             '--distributed False --save_path').split() + [str(tmp_path / 'run')]
    environment = dict(os.environ, MTP_DATA_ROOT=str(samrs_root), PYTHONWARNINGS='ignore', OMP_NUM_THREADS='1')
    began = time.monotonic()
    run = subprocess.Popen([sys.executable, os.path.join(ROOT, 'main_pretrain.py')] + words, env=environment,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    while not catches(run.pid, number):
        assert run.poll() is None, run.stdout.read()
        time.sleep(0.005)
    heard = time.monotonic() - began
    run.send_signal(number)
    said, _ = run.communicate(timeout=120)
    assert run.returncode == CONTINUE and 'stopped before the first step' in said, said
    assert heard < (time.monotonic() - began) / 4  # long before everything was imported
    assert os.listdir(str(tmp_path / 'run')) == []


def test_nothing_heavy_is_imported_before_it_listens():
    code = ('import sys, mtp.pretrain.engine.stop; '
            'sys.exit(len({"numpy", "torch", "mmengine", "argparse"} & set(sys.modules)))')
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0


@pytest.mark.parametrize('number', GENTLE)
def test_whatever_asks_for_the_end_is_heard(number):
    code = ('import os; from mtp.pretrain.engine.stop import STOP; STOP.listen(); os.kill(os.getpid(), {}); '
            'print(STOP.asked)')
    said = subprocess.check_output([sys.executable, '-c', code.format(int(number))], cwd=ROOT)
    assert said.decode().strip() == signal.Signals(number).name


def test_what_nohup_ignores_stays_ignored():
    code = ('import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); '
            'from mtp.pretrain.engine.stop import STOP; STOP.listen(); os.kill(os.getpid(), signal.SIGHUP); '
            'print(repr(STOP.asked))')
    assert subprocess.check_output([sys.executable, '-c', code], cwd=ROOT).decode().strip() == "''"


def test_a_second_interrupt_stops_at_once():
    from mtp.pretrain.engine.stop import Stop
    before = signal.getsignal(signal.SIGINT)
    try:
        stop = Stop()
        stop.listen((signal.SIGINT,))
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked == 'SIGINT'
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    finally:
        signal.signal(signal.SIGINT, before)
