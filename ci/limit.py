"""Runs a command and ends it, with all that it started, when it takes too long: ``ci/limit.py MINUTES COMMAND...``.

A command that hangs would take the time of everything behind it. What still ran is named: that is where to look.
Processes that made a session of their own (a docker daemon) are left alone. Standard library only.
"""
import os
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.errors import MTPError, run_main  # noqa: E402

TOO_LONG = 124  # as timeout(1) says it
GRACE_SECONDS = 20  # to stop in good order: the cluster takes its containers away


def session(number):
    """``{pid: command line}`` of the processes in a session."""
    found = {}
    for name in os.listdir('/proc'):
        try:
            with open(f'/proc/{int(name)}/stat', encoding='utf-8') as stat, \
                    open(f'/proc/{name}/cmdline', 'rb') as words:
                fields = stat.read().rpartition(')')[2].split()
                if int(fields[3]) == number and fields[0] != 'Z':
                    found[int(name)] = words.read().replace(b'\0', b' ').decode('utf-8', 'replace').strip()
        except (OSError, ValueError):  # no process, or one that has just ended
            pass
    return found


def end(number, grace=GRACE_SECONDS):
    """Ask every process of a session to end, and kill those that are left after ``grace`` seconds."""
    limit = time.monotonic() + grace
    _send(session(number), signal.SIGTERM)
    while session(number) and time.monotonic() < limit:
        time.sleep(0.1)
    while session(number):
        _send(session(number), signal.SIGKILL)
        time.sleep(0.05)


def _send(processes, number):
    for each in processes:
        try:
            os.kill(each, number)
        except OSError:
            pass


def run(words, seconds, grace=GRACE_SECONDS):
    """Exit code of the command ``words``, TOO_LONG after ``seconds``; signals that end us end it first."""
    child, asked = None, []

    def stop(number, _):
        asked.append(number)
        if child:  # else it is being started, and is ended as soon as that is done
            end(child.pid, grace)
            sys.exit(128 + number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, start_new_session=True)
        if asked:
            stop(asked[0], None)
        code = child.wait(seconds)
        return code if code >= 0 else 128 - code
    except subprocess.TimeoutExpired:
        print('\n=== NO END WITHIN {:.1f} MINUTES: {}\nstill there:'.format(seconds / 60, ' '.join(words)))
        for number, line in sorted(session(child.pid).items()):
            print(f'  {number:7d}  {line[:200]}', flush=True)
        end(child.pid, grace)
        child.wait()
        return TOO_LONG
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main():
    """Run a command for at most so many minutes."""
    if len(sys.argv) < 3 or not sys.argv[1].replace('.', '', 1).isdigit():
        raise MTPError('{!r} is no time and command'.format(' '.join(sys.argv[1:])), hint='ci/limit.py 10 make check')
    return run(sys.argv[2:], float(sys.argv[1]) * 60)


if __name__ == '__main__':
    run_main(main)
