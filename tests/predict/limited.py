"""Calls in processes of their own under limits of the kernel: ``python limited.py MODULE`` reads cases, a JSON list.

Each case is ``{"call": "module:function", "words": [...], "limits": {"FSIZE": bytes, "NOFILE": more than are open}}``.
Answers, as JSON: ``[[exit code, what it said], ...]``. One process imports MODULE and forks the others, so that a test
can afford many.
"""
import importlib
import json
import os
import resource
import signal
import sys

SECONDS = 300


def child(case, sink):
    """The call of a case; it ends the process."""
    from mtp.errors import run_main

    os.dup2(sink, 1)
    os.dup2(sink, 2)
    signal.alarm(SECONDS)
    name, _, function = case['call'].partition(':')
    call = getattr(importlib.import_module(name), function)
    for limit, value in case.get('limits', {}).items():
        number = getattr(resource, 'RLIMIT_' + limit)
        value += len(os.listdir('/proc/self/fd')) * (limit == 'NOFILE')
        resource.setrlimit(number, (value, resource.getrlimit(number)[1]))
    run_main(lambda: call(case['words']))


def run(case):
    """[exit code, what it said]; a negative code is the signal that ended it."""
    source, sink = os.pipe()
    pid = os.fork()
    if not pid:
        code = 99
        try:
            child(case, sink)
        except SystemExit as left:
            code = left.code
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(sink)
    with open(source, 'rb') as stream:
        said = stream.read().decode('utf-8', 'replace')
    status = os.waitpid(pid, 0)[1]
    return [-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), said]


if __name__ == '__main__':
    sys.path[:0] = [os.getcwd()]
    importlib.import_module(sys.argv[1])
    json.dump([run(case) for case in json.load(sys.stdin)], sys.stdout)
