"""``python3 -m mtp.reproduce``: what ``make reproduce`` calls. DATA=samples rehearses it on drawn samples."""
import os
import sys
from typing import Any, Iterator, List, Mapping, Optional, Sequence

from mtp import locks, sealed
from mtp.errors import OK, MTPError, run_main
from mtp.launch import execute, host, jobs, ledger, plan
from mtp.launch.settings import Settings, from_environ
from mtp.reproduce import results, stages
from mtp.reproduce.stages import Run, Stage
from mtp.terminal import say

RECORD = 'reproduce.json'  # in the folder of the training: the stages that are done


def main() -> int:
    """Run the stages that are not done yet, the judgement always."""
    settings = from_environ(os.environ)
    if not settings.config:
        raise MTPError('make reproduce needs a config', hint='make reproduce CONFIG=configs/mtp/<dataset>/<name>.py')
    run = stages.run_of(settings, ledger.ROOT)
    entry = results.expected(run.env, run.config)
    small = _rehearses(settings)
    asked, run = run, run if small else stages.as_published(run, ledger.ROOT)
    standing = ledger.standing(run.env)
    if standing:
        say('# ' + standing)
    for line in () if small else _beforehand(settings, asked, run, entry):
        say('# ' + line)  # a printed plan is pasted into a shell
    todo = stages.rehearsal(run) if small else stages.real(run)
    if small:
        settings = _among_samples(settings)
    elif not settings.dryrun:
        _require_data(settings, run)
    if settings.dryrun:
        plans = [_plan(stage, settings, small or stage is not todo[0]) for stage in todo]
        sys.stdout.write('\n'.join(map(plan.render, plans)))
        return OK
    folder = os.path.join(ledger.ROOT, settings.work_root, jobs.run_folder(run.env, run.config)[len('work_dirs/'):])
    with locks.hold(os.path.join(folder, '.reproduce'), 'reproduce'):  # the stages hold the folder itself
        return _run(todo, settings, run, small, os.path.join(folder, RECORD))


def _run(todo: Sequence[Stage], settings: Settings, run: Run, small: bool, record: str) -> int:
    done = _done(record)
    if small:
        os.makedirs(os.path.join(ledger.ROOT, settings.data_root), exist_ok=True)
        say('rehearsal: drawn samples and a reduced network; its numbers say nothing about the paper')
    for number, stage in enumerate(todo, 1):
        mark = _mark(stage, settings, run) or record
        head = f'[{number}/{len(todo)}] {stage.title}'
        if stage.name in (done if mark == record else _done(mark)):
            say(head + ': done before')
            continue
        say(head)
        code = execute.run(_plan(stage, settings, small))
        if code:
            return code
        if stage.name != 'judge':
            sealed.write_list(mark, [dict(stage=name) for name in sorted(set(_done(mark) + [stage.name]))])
            done = _done(record)
    return OK


def _beforehand(settings: Settings, asked: Run, run: Run, entry: Mapping[str, Any]) -> Iterator[str]:
    """What differs from the published run, before it begins."""
    if run != asked:
        yield f'trains {run.config}: the published number of {asked.config} was trained there'
    processes, published = settings.nodes * settings.gpus, entry['gpus']
    told = f'{published} processes' if published else 'a number of processes that no log tells'
    if processes != published:
        yield 'published with {}, here with {}: ACCUMULATE={}{}'.format(
            told, processes, settings.words['ACCUMULATE'],
            ' sums gradients to the published batch' if settings.words['ACCUMULATE'] == 'auto' else '')
    if entry['published'] is None:
        yield 'the repository publishes no number for it'


def _mark(stage: Stage, settings: Settings, run: Run) -> Optional[str]:
    """Where a stage that several configs share is recorded; None for the others."""
    shared = stage.name in ('samples', 'data')
    return os.path.join(ledger.ROOT, settings.data_root, f'.{run.dataset}.json') if shared else None


def _done(record: str) -> List[str]:
    """Names of the stages that a record says are done; none where it is damaged: they are done again, from where they
    are."""
    return [item['stage'] for item in sealed.read_list(record) if isinstance(item.get('stage'), str)]


def _plan(stage: Stage, settings: Settings, trusting: bool) -> plan.Plan:
    """Plan of a stage; ``trusting`` leaves folders and weights unjudged that earlier stages make."""
    machine = host.look(settings)
    if trusting:
        machine = machine._replace(folders=dict.fromkeys(machine.folders, host.Folder(True, True, True)))
    made = stage.plan(settings, machine)
    return made._replace(problems=()) if trusting and settings.dryrun else made


def _rehearses(settings: Settings) -> bool:
    asked = settings.words['DATA']
    if asked not in ('', 'samples'):
        raise MTPError(f'DATA is {asked!r}; here it can be samples',
                       hint='MTP_DATA_ROOT=folder for data of your own, DATA=samples for a rehearsal')
    return asked == 'samples'


def _among_samples(settings: Settings) -> Settings:
    """The rehearsal keeps to a folder of its own, its data root included: no real data or results are touched."""
    home = os.path.join(settings.work_root, 'rehearsal')
    return settings._replace(work_root=home, data_root=os.path.join(home, 'data'))


def _require_data(settings: Settings, run: Run) -> None:
    place = os.path.join(settings.data_root, stages.missing_data(run))
    if not os.path.isdir(os.path.join(ledger.ROOT, place)):
        raise MTPError('there is no {}, so {} cannot be trained'.format(place, run.config), hint=(
            'make data-{0} prepares it, MTP_DATA_ROOT=folder names where it is; or rehearse on drawn samples: '
            'make reproduce CONFIG={1} DATA=samples').format(run.dataset, run.config))


if __name__ == '__main__':
    run_main(main)
