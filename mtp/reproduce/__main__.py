"""``python3 -m mtp.reproduce``: what ``make reproduce`` calls. DATA=samples rehearses it on drawn samples."""
import json
import os
import sys

from mtp import files
from mtp.errors import OK, MTPError, run_main
from mtp.launch import execute, host, jobs, ledger, plan
from mtp.launch.settings import from_environ
from mtp.reproduce import results, stages

RECORD = 'reproduce.json'  # in the folder of the training: the stages that are done


def main():
    """Run the stages that are not done yet, the judgement always."""
    settings = from_environ(os.environ)
    if not settings.config:
        raise MTPError('make reproduce needs a config', hint='make reproduce CONFIG=configs/mtp/<dataset>/<name>.py')
    run = stages.run_of(settings, ledger.ROOT)
    results.expected(run.env, run.config)
    small = _rehearses(settings)
    todo = stages.rehearsal(run) if small else stages.real(run)
    if small:
        settings = _among_samples(settings)
    elif not settings.dryrun:
        _require_data(settings, run)
    if settings.dryrun:
        plans = [_plan(stage, settings, small or stage is not todo[0]) for stage in todo]
        sys.stdout.write('\n'.join(map(plan.render, plans)))
        return OK
    return _run(todo, settings, run, small)


def _run(todo, settings, run, small):
    folder = jobs.run_folder(run.env, run.config)[len('work_dirs/'):]
    record = os.path.join(ledger.ROOT, settings.work_root, folder, RECORD)
    done = _done(record)
    if small:
        os.makedirs(os.path.join(ledger.ROOT, settings.data_root), exist_ok=True)
        _say('rehearsal: drawn samples and a reduced network; its numbers say nothing about the paper')
    for number, stage in enumerate(todo, 1):
        mark = _mark(stage, settings, run) or record
        head = '[{}/{}] {}'.format(number, len(todo), stage.title)
        if stage.name in (done if mark == record else _done(mark)):
            _say(head + ': done before')
            continue
        _say(head)
        code = execute.run(_plan(stage, settings, small))
        if code:
            return code
        if stage.name != 'judge':
            files.write_json(mark, sorted(set(_done(mark) + [stage.name])))
            done = _done(record)
    return OK


def _mark(stage, settings, run):
    """Where a stage that several configs share is recorded; None for the others."""
    shared = stage.name in ('samples', 'data')
    return os.path.join(ledger.ROOT, settings.data_root, '.{}.json'.format(run.dataset)) if shared else None


def _done(record):
    try:
        with open(record, encoding='utf-8') as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return []


def _plan(stage, settings, trusting):
    """Plan of a stage; ``trusting`` leaves folders and weights unjudged that earlier stages make."""
    found = host.look(settings)
    if trusting:
        found = found._replace(folders=dict.fromkeys(found.folders, host.Folder(True, True, True)))
    made = stage.plan(settings, found)
    return made._replace(problems=()) if trusting and settings.dryrun else made


def _rehearses(settings):
    asked = settings.words['DATA']
    if asked not in ('', 'samples'):
        raise MTPError('DATA is {!r}; here it can be samples'.format(asked),
                       hint='MTP_DATA_ROOT=folder for data of your own, DATA=samples for a rehearsal')
    return asked == 'samples'


def _among_samples(settings):
    """The rehearsal keeps to a folder of its own, its data root included: no real data or results are touched."""
    home = os.path.join(settings.work_root, 'rehearsal')
    return settings._replace(work_root=home, data_root=os.path.join(home, 'data'))


def _require_data(settings, run):
    place = os.path.join(settings.data_root, stages.missing_data(run))
    if not os.path.isdir(os.path.join(ledger.ROOT, place)):
        raise MTPError('there is no {}, so {} cannot be trained'.format(place, run.config), hint=(
            'make data-{0} prepares it, MTP_DATA_ROOT=folder names where it is; or rehearse on drawn samples: '
            'make reproduce CONFIG={1} DATA=samples').format(run.dataset, run.config))


def _say(text):
    sys.stdout.write(text + '\n')
    sys.stdout.flush()


if __name__ == '__main__':
    run_main(main)
