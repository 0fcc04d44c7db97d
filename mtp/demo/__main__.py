"""``python3 -m mtp.demo``: what ``make demo`` calls. Settings as for every verb; RUNTIME chooses in what it runs."""
import itertools
import json
import os
import sys
import time
from typing import Callable, Iterable, List, Tuple

from mtp import locks
from mtp.demo import results, stages
from mtp.demo.driver import Driver
from mtp.demo.making import COMMAND, Making
from mtp.demo.stages import Stage
from mtp.errors import FAILED, OK, run_main
from mtp.launch import execute, ledger, plan
from mtp.launch.settings import from_environ
from mtp.progress import clock
from mtp.terminal import say


def main() -> int:
    """Run every stage, write the page, say in ten lines what was done and where it lies."""
    settings = from_environ(os.environ)
    runtime = 'native' if settings.runtime == 'auto' else settings.runtime  # a newcomer may have no engine and no image
    settings = settings._replace(runtime=runtime, env='', nodes=1, gpus=1, accel='none', args=(),
                                 data_root=os.path.join(settings.work_root, 'demo', 'data'))
    home = os.path.join(ledger.ROOT, settings.work_root, 'demo')
    groups = numbered(stages.groups(settings.words['DATA']))
    total = sum(len(lane) for lanes in groups for lane in lanes)
    driver = Driver(settings, home, lambda done: results.write_progress(home, done, total))
    if settings.dryrun:
        sys.stdout.write('\n'.join(plan.render(driver.plan(stage, len(lanes))) for lanes in groups for lane in lanes
                                   for _, stage in lane))
        return OK
    start = time.monotonic()
    lacking = driver.lacking()
    if stages.TRAINS in lacking and execute.call(COMMAND, dict(os.environ, ENV=stages.TRAINS), ledger.ROOT):
        return FAILED  # setup has said why
    with locks.hold(home, 'demo'):
        driver.open()
        for env in lacking:
            if env != stages.TRAINS:
                driver.making[env] = Making(env, os.path.join(home, 'logs', f'setup-{env}.log'))
        results.write_progress(home, driver.done, total)
        say('page {}: open it now, it follows'.format(os.path.join(home, 'index.html')))
        for lanes in groups:
            driver.run_group(lanes, total, {'pretrain': half_way(os.path.join(home, 'pretrain', 'log.jsonl'))})
        found = results.gather(home, driver.done)
        results.write_page(home, found)
        driver.finish()
    sys.stdout.write('\n' + '\n'.join(results.lines(home, found)) + '\n')
    sys.stdout.write(f'all of it took {clock(time.monotonic() - start)}\n')
    return results.judge(found)


def numbered(groups: Iterable[Iterable[Iterable[Stage]]]) -> List[List[List[Tuple[int, Stage]]]]:
    """The groups with each stage as (number, stage), counted through from 1."""
    count = itertools.count(1)
    return [[[(next(count), stage) for stage in lane] for lane in lanes] for lanes in groups]


def half_way(log: str) -> Callable[[], bool]:
    """A callable that says whether pretraining has logged half of its steps and no more than three quarters."""
    def reached() -> bool:
        try:
            with open(log, encoding='utf-8') as stream:
                step = json.loads(stream.read().splitlines()[-1])['step']
        except (OSError, ValueError, IndexError, KeyError):
            return False
        return stages.STEPS // 2 <= step <= stages.STEPS * 3 // 4
    return reached


if __name__ == '__main__':
    run_main(main)
