"""``make finetune DATA=folder TASK=...``: look at the folder and prepare it, train, test. Standard library.

The stages are the same jobs that other verbs run; each is planned when the one before has ended.
"""
import os
import shlex
import re
import sys
from typing import Callable, Iterable, List, NamedTuple, Tuple

from mtp import sealed
from mtp.errors import OK, MTPError, run_main
from mtp.launch import containers, execute, host, jobs, ledger, links, plan, verbs
from mtp.launch.allowed import choose
from mtp.launch.settings import Settings, from_environ
from mtp.own import config as configs
from mtp.terminal import say

TASKS = tuple(configs.MODELS)

Run = NamedTuple('Run', [
    ('name', str),
    ('data', str),  # folder of the host, absolute
    ('task', str),
    ('backbone', str),
    ('init', str),
    ('folder', str),  # short: work_dirs/own/<name>
    ('env', str),
])
Stage = NamedTuple('Stage', [('title', str), ('plan', Callable)])  # plan(run, settings, host) -> Plan


def run_of(settings: Settings, found: host.Host) -> Run:
    """The :class:`Run` that the settings ask for.

    Raises:
        MTPError: TASK, BACKBONE or INIT is missing or none there is; DATA is no folder.
    """
    words = settings.words
    example = 'make finetune DATA=folder TASK=rotated BACKBONE=rvsa_b'
    if settings.config:
        raise MTPError('make finetune takes CONFIG or DATA, and has both', hint=example)
    if not words['TASK']:
        raise MTPError('DATA is given and TASK is not; it can be {}'.format(', '.join(TASKS)), hint=example)
    fitting = ledger.sharing(configs.FOLDER)
    if settings.env and settings.env not in fitting:
        raise MTPError(f'this runs in {fitting[0]}, but ENV={settings.env} is asked for',
                       hint='ENV={}'.format(' or ENV='.join(fitting)))
    task = choose('TASK', words['TASK'].lower(), TASKS)
    asked = words['BACKBONE'] if 'BACKBONE' in settings.given else 'rvsa_b'
    backbone, init = configs.backbone_called(asked), words['INIT'] or 'mtp'
    configs.weights(backbone, init)
    data = os.path.normpath(containers.Places('native', settings, found).host(words['DATA']))
    name = '-'.join([re.sub(r'[^\w.-]+', '-', os.path.basename(data)).strip('-.') or 'data', task, backbone] +
                    ([init] if init != 'mtp' else []))
    return Run(name, data, task, backbone, init, f'work_dirs/{jobs.OWN}/{name}', settings.env or fitting[0])


def stages(run: Run) -> List[Stage]:
    """Look and prepare, train, test."""
    return [Stage(f'look at {run.data}, and prepare it', prepare),
            Stage(f'train {run.folder}/{jobs.OWN_CONFIG}', train),
            Stage('test the newest checkpoint that this leaves', test)]


def prepare(run: Run, settings: Settings, found: host.Host, dry: bool = False) -> plan.Plan:
    """Plan of ``python -m mtp.own prepare``."""
    quiet = verbs.without_card(settings, found, run.env)
    words = settings.words

    def build(places: containers.Places) -> jobs.Job:
        script = ['-m', 'mtp.own', 'prepare', run.data, '--task', run.task, '--backbone', run.backbone,
                  '--init', run.init, '--out', places.of(run.folder)]
        script += ['--classes', words['CLASSES']] if words['CLASSES'] else []
        script += ['--layout', words['LAYOUT']] if words['LAYOUT'] else []
        script += ['--lenient'] if words['LENIENT'] not in ('', '0') else []
        script += ['--dry-run'] if dry else []
        there = dry and os.path.isdir(places.host('work_dirs/.'))
        reads, writes = ('work_dirs',) if there else (), () if dry else ('work_dirs',)
        return jobs.Job(run.env, tuple(script), reads, writes, False, 1, name='prepare-' + run.name,
                        problems=lacking(run), kept=places.kept(run.folder), folders=_seen(run.data))

    return verbs.job_plan(quiet, found, run.env, build)


def _seen(folder: str) -> Tuple[str, ...]:
    """The folder, and those that links in it lead to: a container sees nothing else."""
    return (folder,) + tuple(sorted({link.target if link.folder else os.path.dirname(link.target)
                                     for link in links.leaving(folder)}))


def training(run: Run, settings: Settings, places: containers.Places) -> jobs.Job:
    """The job that trains."""
    config = run.folder + '/' + jobs.OWN_CONFIG
    begun = jobs.newest_checkpoint(places.host(jobs.run_folder(run.env, config)))
    own = settings._replace(args=(('--resume',) if begun else ()) + settings.args)
    return jobs.finetune(own, places, run.env, config)._replace(reads=('weights',) if _weights(run, settings) else ())


def train(run: Run, settings: Settings, found: host.Host) -> plan.Plan:
    """Plan of the training."""
    return verbs.job_plan(settings, found, run.env, lambda places: training(run, settings, places))


def test(run: Run, settings: Settings, found: host.Host) -> plan.Plan:
    """Plan of the test."""
    own = settings._replace(args=for_test(settings.args), checkpoint='')
    return verbs.job_plan(own, found, run.env, lambda places: jobs.test(
        own, places, run.env, run.folder + '/' + jobs.OWN_CONFIG)._replace(reads=()))


def for_test(words: Iterable[str]) -> Tuple[str, ...]:
    """Those of ARGS that a test takes too: the reduction, and settings of the config but for the validation's."""
    kept, taking = [], False
    for word in words:
        taking = word == '--cfg-options' or taking and not word.startswith('--')
        kept += [word] if taking and not word.startswith('val_') or word == '--rehearse' else []
    return tuple(kept)


def _weights(run: Run, settings: Settings) -> str:
    """The file that training starts from, short; '' where it needs none."""
    name = configs.weights(run.backbone, run.init)
    return '' if not name or '--rehearse' in settings.args else 'weights/' + name


def lacking(run: Run) -> Tuple[plan.Problem, ...]:
    """What has to be there before anything runs, as problems of a plan."""
    if os.path.isdir(run.data):
        return ()
    return (plan.Problem(f'DATA={run.data} is no folder', f'ls -d {os.path.dirname(run.data)}'),)


def _missing_weights(run: Run, settings: Settings, places: containers.Places) -> Tuple[plan.Problem, ...]:
    path = _weights(run, settings)
    if not path or os.path.isfile(places.host(path)):
        return ()
    return (plan.Problem(f'{places.host(path)} is missing; the training starts from it',
                         'make weights says where it is published; '
                         'INIT=none trains without, which takes far more data'),)


def submitted(settings: Settings, found: host.Host) -> plan.Plan:
    """The plan of a batch job that runs all stages."""
    run = run_of(settings, found)
    return verbs.by_itself('finetune', settings, found, run.env,
                           lambda places: training(run, settings, places)._replace(
                               resume='', problems=lacking(run) + _missing_weights(run, settings, places)))


def main() -> int:
    """Run the stages; with DRYRUN=1 look at the data, show the config and print what would be run."""
    settings = from_environ(os.environ)
    found = host.look(settings)
    run = run_of(settings, found)
    if settings.dryrun:
        return _shown(run, settings, found)
    places = containers.Places('native', settings, found)
    if not lacking(run):
        for problem in _missing_weights(run, settings, places):
            raise MTPError(problem.message, hint=problem.hint)
    todo = stages(run)
    for number, stage in enumerate(todo, 1):  # each holds the folder that it writes to
        say(f'[{number}/{len(todo)}] {stage.title}')
        code = execute.run(stage.plan(run, settings, host.look(settings)))
        if code:
            return code
    _told(run, places, found)
    return OK


def _shown(run: Run, settings: Settings, found: host.Host) -> int:
    looked = prepare(run, settings, found, dry=True)
    if looked.problems:
        sys.stdout.write(plan.render(prepare(run, settings, found)))
    else:
        code = execute.run(looked._replace(makes=()))
        if code:
            return code
        sys.stdout.write('\n' + plan.render(prepare(run, settings, found)))
    trusting = found._replace(folders=dict.fromkeys(found.folders, host.Folder(True, True, True)))
    weights = _missing_weights(run, settings, containers.Places('native', settings, found))
    todo = stages(run)
    for number, stage in enumerate(todo[1:], 2):
        shown = stage.plan(run, settings, trusting)._replace(problems=weights if stage.plan is train else ())
        sys.stdout.write(f'\n# [{number}/{len(todo)}] {stage.title}\n' + plan.render(shown))
    return OK


def _told(run: Run, places: containers.Places, found: host.Host) -> None:
    """The figures of the test, where its pictures lie, and what comes next."""
    whole = os.path.normpath(places.host(run.folder + '/' + jobs.OWN_CONFIG))
    relative = os.path.relpath(whole, found.root)
    config = whole if relative.startswith('..') else relative
    folder = os.path.join(jobs.run_folder(run.env, config), 'predict')
    figures = (sealed.read(os.path.join(found.root, folder, 'passport-test.json')) or {}).get('metrics') or {}
    for name, value in sorted(figures.items()):
        say(f'{name:<32} {value}')
    standing = ledger.standing(run.env)
    if standing:
        say(standing)
    say('pictures: {}'.format(os.path.join(folder, 'show')))
    say(f'config:   {config}')
    say(f'browse:   make browse RUN={shlex.quote(folder)}')
    say(f'next:     make predict CONFIG={shlex.quote(config)} IMAGES=folder')


if __name__ == '__main__':
    run_main(main)
