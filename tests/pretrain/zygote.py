"""Processes that start at once: one that has imported everything forks them, so that tests can afford many.

A test process forks none itself: it has threads, and a thread begun after a fork from among threads can wait for ever.
"""
import contextlib
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, os.pardir, os.pardir))


class Zygote:
    """The process that forks; a context manager.

    Args:
        python: of which environment; that of this process when left out.
        imports: modules that all children would import.
    """

    def __init__(self, python=sys.executable, imports=('mtp.pretrain.cli',)):
        self.python, self.imports = python, imports

    def __enter__(self):
        environment = dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join([ROOT, HERE]),
                           PYTHONWARNINGS='ignore')
        self.process = subprocess.Popen([self.python, os.path.abspath(__file__), *self.imports], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def start(self, log, *words, call='mtp.pretrain.cli:main', **environment):
        """Start ``call(words)`` in a process of its own; what it says goes to the file ``log``."""
        return Child(self, self.ask(call=call, words=words, log=str(log), environment=environment), str(log))

    def ask(self, **message):
        self.process.stdin.write(json.dumps(message) + '\n')
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Child:
    """A forked process."""

    def __init__(self, zygote, pid, log):
        self.zygote, self.pid, self.log, self.code = zygote, pid, log, None

    def poll(self):
        """Exit code (negative: the signal that ended it), or None while it runs."""
        if self.code is None:
            self.code = self.zygote.ask(poll=self.pid)
        return self.code

    def wait(self, seconds=120):
        """(exit code, what it said)."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                self.send(signal.SIGKILL)
                raise AssertionError(f'still running after {seconds} s:\n{self.said()}')
            time.sleep(0.02)
        return self.code, self.said()

    def send(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def said(self):
        with open(self.log) as stream:
            return stream.read()


def serve():
    """Read messages from standard input, fork, answer."""
    answers = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)  # some modules say on standard output that they see no GPU
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        message = json.loads(line)
        if 'poll' in message:
            pid, status = os.waitpid(message['poll'], os.WNOHANG)
            answer = None if not pid else -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        else:
            begun, begins = os.pipe()
            answer = os.fork()
            if not answer:
                os.close(begun)
                run(message, begins)
            os.close(begins)
            os.read(begun, 1)  # until it has a group of its own, which may be killed, and a log, which may be read
            os.close(begun)
        answers.write(json.dumps(answer) + '\n')
        answers.flush()


def run(message, begins):
    """The whole life of a child."""
    code = 99
    try:
        os.setsid()
        sys.stdin.close()
        log = os.open(message['log'], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(log, stream)
        os.close(begins)
        os.environ.update(message['environment'])
        module, name = message['call'].split(':')
        from mtp.errors import run_main
        function = getattr(importlib.import_module(module), name)
        run_main(lambda: function(message['words']))
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


if __name__ == '__main__':
    serve()
