"""Runs the stages one after another, remembers which are done, and stops one half way to show that it continues."""
import hashlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from concurrent import futures
from typing import BinaryIO, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, cast

from mtp import files, ownership
from mtp.demo.making import Making, last_lines
from mtp.demo.stages import NEWEST, OUTSIDE, TESTS, TRAINS, Stage
from mtp.errors import CONTINUE, FAILED, MTPError
from mtp.launch import containers, execute, host, ledger, plan, runtimes, verbs
from mtp.launch.containers import Places
from mtp.launch.jobs import Job, newest_checkpoint
from mtp.launch.plan import Command, Plan
from mtp.launch.settings import Settings
from mtp.progress import clock
from mtp.terminal import say

Done = NamedTuple('Done', [('name', str), ('title', str), ('runtime', str), ('seconds', float), ('note', str)])
Lane = Sequence[Tuple[int, Stage]]  # stages that run one after another, with their numbers


class Driver(object):
    """Starts stages in the runtime that ``settings`` ask for.

    Args:
        settings: :class:`mtp.launch.settings.Settings` whose data root and work root are the demo's.
        home: folder of the demo on the host.
        after: is told after each stage which ones are done.
    """

    def __init__(self, settings: Settings, home: str, after: Callable[[List[Done]], None] = lambda done: None) -> None:
        self.settings, self.home, self.after = settings, home, after
        self.record = os.path.join(home, 'stages.json')
        self.done: List[Done] = []
        self.strangers: Set[str] = set()
        self.lock = threading.Lock()
        self.making: Dict[str, Making] = {}  # environments that are made beside the first stages
        self.look()

    def look(self) -> None:
        """Look at this machine (again)."""
        machine = host.look(self.settings)  # the demo makes its folders itself, so a plan need not find them
        self.host = machine._replace(folders=dict.fromkeys(machine.folders, host.Folder(True, True, True)))

    def lacking(self) -> List[str]:
        """Environments in which the demo is to run natively and that are still to be made, the first one first."""
        chosen = [(env, containers.choose(self.settings, self.host, env)) for env in (TRAINS, TESTS)]
        return [env for env, (name, _, problems) in chosen if problems and not runtimes.get(name).in_image]

    def open(self) -> None:
        """Take up an unfinished demo, or clear the folder of a finished one of what that has made."""
        self.look()
        self.done = self._left_over()
        try:
            record = files.read_note(self.record)
            if not self.done:
                ownership.remove(self.home, _names(record.get('made')))
            self.strangers = set(_names(record.get('strangers')) if self.done else ownership.tree(self.home))
            os.makedirs(os.path.join(self.home, 'data'), exist_ok=True)
            self._write(False)
        except OSError as error:
            raise MTPError(f'cannot write to {self.home}: {error}', hint='MTP_WORK_ROOT=folder make demo')

    def plan(self, stage: Stage, lanes: int = 1) -> Plan:
        """The plan of one stage, as ``DRYRUN=1`` prints it; with ``lanes`` of them at a time, each takes one core."""
        def build(places: Places) -> Job:
            script = tuple(_placed(word, places) for word in stage.script)
            writes = ('work_dirs', 'data') if stage.writes_data else ('work_dirs',)
            return Job(stage.env, script, ('data',), writes, False, 1)

        threads = {'OMP_NUM_THREADS': '1'} if lanes > 1 and 'OMP_NUM_THREADS' not in self.settings.environ else {}
        settings = self.settings._replace(environ=dict(self.settings.environ, **threads))
        made = verbs.job_plan(settings, self.host, stage.env, build)
        own = dict(threads, MTP_DATA_ROOT=settings.data_root, MTP_WORK_ROOT=settings.work_root)
        return made._replace(commands=tuple(item._replace(environment=dict(own, **item.environment))
                                            for item in made.commands))

    def run_group(self, lanes: Sequence[Lane], total: int, interrupts: Mapping[str, Callable[[], bool]]) -> None:
        """Run lanes of stages side by side, the stages of a lane one after another.

        Args:
            lanes: lists of (number, :class:`Stage`).
            total: how many stages there are in all.
            interrupts: {name of a stage: callable}, see :meth:`run`.

        Raises:
            MTPError: of the first lane that failed; the others are carried on until their own end.
        """
        def run_lane(lane: Lane) -> None:
            for number, stage in lane:
                self.run(number, total, stage, interrupts.get(stage.name), len(lanes))

        if len(lanes) == 1:
            run_lane(lanes[0])
            return
        with futures.ThreadPoolExecutor(len(lanes)) as pool:
            for lane in [pool.submit(run_lane, lane) for lane in lanes]:
                lane.result()

    def run(self, number: int, total: int, stage: Stage, interrupt: Optional[Callable[[], bool]] = None,
            lanes: int = 1) -> None:
        """Run ``stage`` unless it is done already.

        Args:
            interrupt: callable that says when to stop the stage once, in order to continue it; None for never.
            lanes: how many stages run at a time.

        Raises:
            MTPError: the stage failed; names its log and how to go on.
        """
        head = f'[{number:2d}/{total}] '
        if stage.name in [done.name for done in self.done]:
            say(head + stage.title + ': done before')
            return
        self._wait_for(stage.env, head)
        made = self.plan(stage, lanes)
        plan.check(made)
        say(head + stage.title)
        show = head if lanes > 1 else ''
        start, note = time.monotonic(), ''
        log = os.path.join(self.home, 'logs', f'{number:02d}-{stage.name}.log')
        code = _run_logged(made, log, show, interrupt)
        if interrupt and code == CONTINUE:
            say(' ' * len(head) + 'stopped on purpose half way; the same command, started again, continues')
            code, note = _run_logged(made, log, show), 'stopped half way, then continued'
        if code:
            raise MTPError('the stage {!r} ended with exit code {}; the end of {}:\n{}'.format(
                stage.title, code, log, _tail(log)), hint='mend that, then make demo again: finished stages are kept',
                code=FAILED)
        with self.lock:
            self.done.append(Done(stage.name, stage.title, made.reason.split(':')[0], time.monotonic() - start, note))
            self._write(False)
            self.after(self.done)

    def _wait_for(self, env: str, head: str) -> None:
        """Wait until an environment is there that is still being made; two lanes may do so at once."""
        making = self.making.get(env)
        if making:
            if making.child.poll() is None:
                say(f'{head}waiting for the environment {env}, which is being made: {making.log}')
            live = _Live(head)

            def show(line: str) -> None:
                live.line = line
                live.show()

            making.wait(show)
            live.close()
            with self.lock:
                if self.making.pop(env, None):
                    self.look()

    def finish(self) -> None:
        """Say that the whole demo is done, so that the next one starts afresh."""
        self._write(True)

    def _key(self) -> str:
        inputs = [ledger.digest(), self.settings.runtime, self.settings.variant, self.settings.words['DATA']]
        return hashlib.sha256(json.dumps(inputs).encode('utf-8')).hexdigest()

    def _left_over(self) -> List[Done]:
        try:
            left = files.read_note(self.record)
            same = left['key'] == self._key() and not left['finished']
            return [Done(**item) for item in left['done']] if same else []
        except (KeyError, TypeError):
            return []

    def _write(self, finished: bool) -> None:
        made = sorted(set(ownership.tree(self.home)) - self.strangers)
        files.write_json(self.record, {'key': self._key(), 'finished': finished, 'made': made,
                                       'strangers': sorted(self.strangers),
                                       'done': [item._asdict() for item in self.done]})


def _names(value: object) -> List[str]:
    """A list of paths from the record; none where it is damaged."""
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _placed(word: str, places: Places) -> str:
    """``word`` with the short path in it (alone or behind ``=``) as the program sees it."""
    if word.startswith(NEWEST):
        folder = word[len(NEWEST):]
        return places.of('{}/{}'.format(folder, newest_checkpoint(places.host(folder)) or 'iter_N.pth'))
    if word.startswith(OUTSIDE):
        return places.of(word[len(OUTSIDE):])
    head, equals, tail = word.rpartition('=')
    return head + equals + (places.of(tail) if tail.startswith(('work_dirs/', 'data/')) else tail)


def _run_logged(made: Plan, log: str, label: str = '', interrupt: Optional[Callable[[], bool]] = None) -> int:
    """Exit code of the first command of a plan that fails, or 0; output goes to ``log``, its newest line is shown."""
    os.makedirs(os.path.dirname(log), exist_ok=True)
    with open(log, 'ab') as stream:
        for item in made.commands:
            stream.write((plan.render_command(item) + '\n').encode('utf-8'))
            stream.flush()
            code = _follow(item, made.root, stream, label, interrupt)
            if code:
                return code
    return 0


def _follow(item: Command, root: str, log: BinaryIO, label: str, interrupt: Optional[Callable[[], bool]]) -> int:
    child = subprocess.Popen(list(item.words), cwd=root, env=dict(os.environ, **item.environment),
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             preexec_fn=execute.tied(signal.SIGTERM))
    output, live = cast(BinaryIO, child.stdout), _Live(label)  # a pipe was asked for
    try:
        chunk = None
        while chunk != b'':
            ready, _, _ = select.select([output], [], [], 0.5)
            chunk = os.read(output.fileno(), 65536) if ready else None
            if chunk:
                log.write(chunk)
                log.flush()
                live.feed(chunk)
            live.show()
            if interrupt and interrupt():
                child.send_signal(signal.SIGTERM)
                interrupt = None
        code = child.wait()
        return code if code >= 0 else 128 - code
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise
    finally:
        output.close()
        live.close()


class _Live(object):
    """The newest line of a running stage: in place on a terminal, every half minute elsewhere and with a ``label``."""

    def __init__(self, label: str) -> None:
        self.label = label or ' ' * 8
        self.terminal = sys.stdout.isatty() and not label  # two stages cannot share one line
        self.every = 0.5 if self.terminal else 30
        self.start = self.shown = time.monotonic()
        self.line = ''

    def feed(self, chunk: bytes) -> None:
        lines = [line for line in chunk.decode('utf-8', 'replace').replace('\r', '\n').split('\n') if line.strip()]
        self.line = lines[-1].strip() if lines else self.line

    def show(self) -> None:
        now = time.monotonic()
        if now - self.shown >= self.every:
            self.shown = now
            text = f'{self.label}{clock(now - self.start)}  {self.line}'
            sys.stdout.write('\r\x1b[K' + text[:110] if self.terminal else text[:160] + '\n')
            sys.stdout.flush()

    def close(self) -> None:
        if self.terminal:
            sys.stdout.write('\r\x1b[K')


def _tail(path: str) -> str:
    return '\n'.join('    ' + line for line in last_lines(path, 20).split('\n'))
