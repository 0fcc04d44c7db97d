"""Verbs of the front door, each a function from settings and host to a plan. Pure."""
import difflib
import functools
import importlib
import os
import shlex
from typing import TYPE_CHECKING, Callable, Iterable, List, Tuple

from mtp.data import catalogue
from mtp.errors import MTPError
from mtp.launch import bench as benchmarks
from mtp.launch import batch, building, choice, configs, containers, jobs, ledger, links, replay, runtimes
from mtp.launch import slurm, uses, venvs
from mtp.launch import setup as setting_up
from mtp.launch.plan import Command, Plan, Problem, command
from mtp.launch.runtimes import base, native

if TYPE_CHECKING:
    from mtp.launch.host import Host
    from mtp.launch.settings import Settings

Verb = Callable[['Settings', 'Host'], Plan]
Build = Callable[[containers.Places], jobs.Job]  # makes a job once it is known where the program will see what

# Other names of one dataset in a verb: ``test-dota`` is ``test-dotav1``.
DATASETS = {'dota': 'dotav1'}
# What the user meant for each root when the folder is not there.
ROOTS = {'data': ('MTP_DATA_ROOT', 'data_root'), 'weights': ('MTP_WEIGHTS_ROOT', 'weights_root'),
         'work_dirs': ('MTP_WORK_ROOT', 'work_root')}


def plan(verb: str, settings: 'Settings', host: 'Host') -> Plan:
    """The :class:`Plan` of ``verb``.

    Raises:
        MTPError: no such verb (with near names, exit code 2), or one whose room is not built (exit code 3).
    """
    warnings = uses.check(verb, settings)
    made = _plan(verb, settings, host)
    return made._replace(warnings=warnings + made.warnings)


def _plan(verb: str, settings: 'Settings', host: 'Host') -> Plan:
    head, dash, dataset = verb.partition('-')
    if settings.submit and head not in SUBMITTED:
        raise MTPError('SUBMIT=1 goes with {}; {} is not run as a batch job'.format(', '.join(SUBMITTED), verb),
                       hint='leave SUBMIT away')
    if verb in VERBS:
        return VERBS[verb](containers.settled(settings, host) if verb in SUBMITTED else settings, host)
    dataset = DATASETS.get(dataset, dataset)
    if dash and head in DATASET_VERBS and dataset in catalogue.names():
        return DATASET_VERBS[head](dataset, containers.settled(settings, host), host)
    known = names()
    near = difflib.get_close_matches(verb, known, n=3, cutoff=0.5)
    offer = ' or '.join('make ' + name for name in near)
    raise MTPError(f'there is no target {verb!r}',
                   hint=f'did you mean {offer}?' if near else 'make help')


def names() -> List[str]:
    """Every verb, the plain ones first."""
    datasets = list(catalogue.names()) + list(DATASETS)
    return list(VERBS) + [f'{head}-{dataset}' for head in DATASET_VERBS for dataset in datasets]


def pretrain(settings: 'Settings', host: 'Host') -> Plan:
    """Multi-task pretraining."""
    able = ledger.serving('pretrain')
    if settings.env and settings.env not in able:
        ledger.environment(settings.env)
        raise MTPError('pretraining runs in {}, but ENV={} is asked for'.format(' or '.join(able), settings.env),
                       hint='ENV=' + able[0])
    return run_plan(settings, host, [(settings.env or able[0], lambda places: jobs.pretrain(settings, places))])


def finetune(settings: 'Settings', host: 'Host') -> Plan:
    """Fine-tuning with CONFIG, or with each of several; or on DATA of one's own."""
    if settings.words['DATA'] and (not settings.config or 'DATA' in settings.typed):
        own = importlib.import_module('mtp.launch.own')  # it plans with the verbs of this module
        own.run_of(settings, host)
        return own.submitted(settings, host) if settings.submit else _module('mtp.launch.own')(settings, host)
    return run_plan(settings, host, [
        (env, functools.partial(jobs.finetune, settings, env=env, config=config))
        for env, config in _configs(settings, host, 'train')])


def test(settings: 'Settings', host: 'Host') -> Plan:
    """Testing with CONFIG, or with each of several, and CHECKPOINT."""
    return run_plan(settings, host, [
        (env, functools.partial(jobs.test, settings, env=env, config=config))
        for env, config in _configs(settings, host, 'test')])


def predict(settings: 'Settings', host: 'Host') -> Plan:
    """What CONFIG and CHECKPOINT make of IMAGES, or of the pairs BEFORE and AFTER."""
    words = settings.words
    pairs = words['BEFORE'] or words['AFTER']
    if len(_named(settings, host)) != 1 or not (words['IMAGES'] or pairs):
        raise MTPError('make predict needs IMAGES (or BEFORE and AFTER) and one CONFIG',
                       hint="make predict IMAGES='scene.tif folder' CONFIG=configs/... CHECKPOINT=file")
    if pairs and (words['IMAGES'] or not (words['BEFORE'] and words['AFTER'])):
        raise MTPError('changes are found between BEFORE and AFTER; one of them is missing, or IMAGES is too much',
                       hint='make predict BEFORE=before.tif AFTER=after.tif CONFIG=configs/... CHECKPOINT=file')
    env, config = _configs(settings, host, 'test')[0]
    return run_plan(settings, host, [(env, lambda places: jobs.predict(settings, places, env, config))])


def browse(settings: 'Settings', host: 'Host') -> Plan:
    """A page of what RUN has found."""
    if not settings.words['RUN']:
        raise MTPError('make browse needs RUN, the folder of a test, prediction or reproduction',
                       hint='make browse RUN=work_dirs/predict')
    env = settings.env or ledger.serving('tools')[0]
    quiet = without_card(settings, host, env)
    return job_plan(quiet, host, env, lambda places: jobs.browse(quiet, places, env))


def reproduce(settings: 'Settings', host: 'Host') -> Plan:
    """The published number of CONFIG: stage by stage, each planned when the one before has ended."""
    if not settings.submit:
        return _module('mtp.reproduce')(settings, host)
    jobs.need_file(host.root, ['-m', 'mtp.reproduce'])
    if len(_named(settings, host)) != 1:
        raise MTPError('make reproduce needs one CONFIG', hint='make reproduce CONFIG=configs/mtp/<dataset>/<name>.py')
    env, config = _configs(settings, host, 'train')[0]

    def build(places: containers.Places) -> jobs.Job:
        job = jobs.finetune(settings, places, env, config)
        job = job._replace(name=job.name.replace('finetune', 'reproduce'), resume='')
        if not settings.words['DATA']:
            return job
        kept = places.kept(jobs.run_folder(env, config).replace('work_dirs', 'work_dirs/rehearsal', 1))
        return job._replace(reads=(), kept=kept)  # a rehearsal draws its own data, and keeps to a folder of its own

    return _by_itself('reproduce', settings, host, *_prepared(settings, host, env, build))


def finetune_dataset(dataset: str, settings: 'Settings', host: 'Host') -> Plan:
    """Fine-tuning with the paper's main config of one dataset, or with CONFIG."""
    return finetune(_with_config(dataset, settings, host, 'train'), host)


def test_dataset(dataset: str, settings: 'Settings', host: 'Host') -> Plan:
    """Testing with the paper's main config of one dataset, or with CONFIG."""
    return test(_with_config(dataset, settings, host, 'test'), host)


def data_dataset(dataset: str, settings: 'Settings', host: 'Host') -> Plan:
    """The catalogue's commands that turn a publisher's files into what training reads, then the check of all of it."""
    env = settings.env or ledger.serving('tools')[0]
    quiet = without_card(settings, host, env)
    given = tuple(word for word in quiet.args if word != ANY_COUNT)
    check_line = 'python -m mtp.data check {}{}'.format(dataset, ' ' + ANY_COUNT if given != quiet.args else '')
    lines = [(line, given) for line in catalogue.get(dataset).prepare] + [(check_line, ())]
    plans = [job_plan(quiet, host, env, functools.partial(jobs.data, quiet._replace(args=words), line=line))
             for line, words in lines]
    if settings.submit:
        job = jobs.data(quiet, containers.Places('native', quiet, host), check_line)
        return _by_itself('data-' + dataset, settings, host, job._replace(name='data-' + dataset, kept=''), plans[0])
    return plans[0]._replace(commands=tuple(item for each in plans for item in each.commands))


def fetch_dataset(dataset: str, settings: 'Settings', host: 'Host') -> Plan:
    """The archives of a data set, unpacked; then what ``make data-DATASET`` does. With OUT only the archives."""
    given = {name: value for name, value in settings.given.items() if name in uses.of('fetch')}
    first = command(['python3', '-m', 'mtp.data.fetching', dataset], given)
    if settings.words['OUT'] or not catalogue.get(dataset).prepare:
        return _host_plan(host, [first])
    kept = {name: value if name in uses.of('data') else '' for name, value in given.items()}  # '': not warned of again
    return _host_plan(host, [first, command(['python3', '-m', 'mtp.launch', 'data-' + dataset], kept)])


def samples(settings: 'Settings', host: 'Host') -> Plan:
    """Tiny sample sets of the data formats."""
    env = settings.env or ledger.serving('tools')[0]
    quiet = without_card(settings, host, env)
    return job_plan(quiet, host, env, lambda places: jobs.samples(quiet, places))


def images(settings: 'Settings', host: 'Host') -> Plan:
    """``docker build`` of one or both images, and their bills of materials."""
    commands, problems, notes = building.images(settings, host, _asked(settings, host))
    return _host_plan(host, commands, problems)._replace(reason=notes)


def sif(settings: 'Settings', host: 'Host') -> Plan:
    """``apptainer build`` of one or both images from the docker images."""
    return _host_plan(host, *building.sif(settings, host, _asked(settings, host)))


def setup(settings: 'Settings', host: 'Host') -> Plan:
    """The native environments. What is printed are its steps; what runs skips those that are done."""
    if not settings.dryrun:
        return _module('mtp.launch.setup')(settings, host)
    pairs, _ = setting_up.wanted(settings, os.environ, host.cards)
    commands = [command(step.words, step.environment) for env, kind in pairs
                for step in setting_up.steps(settings._replace(variant=kind), host.root, env,
                                             'python' + ledger.minor(env), ledger.minor(env))]
    return _host_plan(host, commands)


def check(settings: 'Settings', host: 'Host') -> Plan:
    """The tests, in each native environment; those that are not ready are made first."""
    envs = [env for env, _ in choice.asked(settings)]
    unready = [env for env in envs if host.venvs[env] != venvs.READY]
    first = [command(['python3', '-m', 'mtp.launch.setup'], dict(settings.given, ENV=env)) for env in unready]
    environment = {'PYTHONNOUSERSITE': '1', 'PYTHONDONTWRITEBYTECODE': '1'}
    environment.update({'PYTHONPATH': host.root} if settings.python_path else {})
    environment.update({} if 'OMP_NUM_THREADS' in settings.environ else {'OMP_NUM_THREADS': '1'})
    # One process a core, but no more than four: each imports the toolboxes and builds models of its own. A file stays
    # in one process, so that its fixtures are made once.
    words = ['-m', 'pytest', '--durations=10', '--numprocesses=auto', '--maxprocesses=4', '--dist=loadfile']
    words += list(settings.args)
    return _host_plan(host, first + [command([native.python(settings, env)] + words, environment) for env in envs])


def again(settings: 'Settings', host: 'Host') -> Plan:
    """The run of a passport once more, and what differs."""
    return replay.plan(settings, host, job_plan)


def bench(settings: 'Settings', host: 'Host') -> Plan:
    """Every benchmark below ci/bench, and the table of their results."""
    benchmarks.need(host.root)
    plan = _module('mtp.launch.bench')(settings, host)
    return plan._replace(problems=native.unready(host, settings.env or ledger.serving('tools')[0]))


def _module(name: str, *first: str, takes_words: bool = False) -> Verb:
    """A verb that is a program of its own, run by the host's Python; it reads the settings by itself."""
    def verb(settings: 'Settings', host: 'Host') -> Plan:
        jobs.need_file(host.root, ['-m', name])
        words = ['python3', '-m', name] + list(first) + (list(settings.args) if takes_words else [])
        return _host_plan(host, [command(words, {} if takes_words else settings.given)])
    verb.__doc__ = 'python3 -m ' + name
    return verb


def _cluster(word: str) -> Verb:
    """The test cluster of ci/cluster."""
    def verb(settings: 'Settings', host: 'Host') -> Plan:
        return _host_plan(host, [command(['ci/cluster', word] + list(settings.args))])
    verb.__doc__ = 'ci/cluster ' + word
    return verb


VERBS = {
    'setup': setup, 'images': images, 'sif': sif, 'lock': _module('mtp.launch.lock', takes_words=True),
    'doctor': _module('mtp.launch.doctor'), 'demo': _module('mtp.demo'), 'check': check, 'bench': bench,
    'bundle': _module('mtp.launch.bundle'), 'verify-bundle': _module('mtp.launch.verify_bundle'), 'replay': again,
    'samples': samples, 'pretrain': pretrain, 'finetune': finetune, 'test': test,
    'predict': predict, 'browse': browse,
    'reproduce': reproduce,
    'status': _module('mtp.launch.submitted', 'status'), 'logs': _module('mtp.launch.submitted', 'logs'),
    'cluster-up': _cluster('up'), 'cluster-down': _cluster('down'),
    'weights': _module('mtp.weights'),
}
SUBMITTED = ('pretrain', 'finetune', 'test', 'predict', 'reproduce', 'data')  # with their datasets
PRINT_THEMSELVES = ('demo', 'reproduce')  # and finetune with DATA: stage by stage
ANY_COUNT = '--any-count'  # the word of a check that takes other numbers of images than the official ones
DATASET_VERBS = {'finetune': finetune_dataset, 'test': test_dataset, 'data': data_dataset, 'fetch': fetch_dataset}


def prints_itself(verb: str, settings: 'Settings') -> bool:
    """Whether what ``verb`` starts prints its own plan with DRYRUN=1."""
    return verb in PRINT_THEMSELVES or verb == 'finetune' and bool(settings.words['DATA']) and not settings.config


def job_plan(settings: 'Settings', host: 'Host', env: str, build: Build) -> Plan:
    """Plan of a job in its runtime; ``build`` makes the job once it is known where the program will see what."""
    return _prepared(settings, host, env, build)[1]


def run_plan(settings: 'Settings', host: 'Host', builds: Iterable[Tuple[str, Build]]) -> Plan:
    """Plan of one or several (env, build), as for :func:`job_plan`: run in turn, or with SUBMIT as an array of jobs."""
    found = [_prepared(settings, host, env, build) for env, build in builds]
    plans = [each for _, each in found]
    problems = tuple(dict.fromkeys(problem for each in plans for problem in each.problems))
    prepared = [(job, each.commands[0]) for job, each in found]
    if settings.submit:
        return batch.plan(settings, host, prepared, plans[0].reason, problems, plans[0].makes)
    header: Tuple[str, ...] = ()
    if settings.launcher == 'slurm' and len(found) == 1:  # what is printed can be handed to sbatch as well
        header = ('#!/usr/bin/env bash',) + tuple(slurm.directives(settings, host, found[0][0], settings.job))
    return plans[0]._replace(commands=tuple(item for _, item in prepared), problems=problems, header=header)


def by_itself(verb: str, settings: 'Settings', host: 'Host', env: str, build: Build) -> Plan:
    """Plan of a batch job in which ``verb`` runs by itself; ``build`` makes the job whose processes it asks for."""
    return _by_itself(verb, settings, host, *_prepared(settings, host, env, build))


def _by_itself(verb: str, settings: 'Settings', host: 'Host', job: jobs.Job, plan: Plan) -> Plan:
    """Plan of a batch job in which a verb of several commands runs by itself: their srun takes what the job has."""
    head_says = ('SUBMIT', 'SBATCH_ARGS', 'TIME_LIMIT', 'PARTITION', 'JOB')
    given = {name: value for name, value in settings.given.items() if name in uses.of(verb) and name not in head_says}
    given.update(LAUNCHER='slurm', SUBMIT='0')  # sbatch hands on the SUBMIT=1 of the login node
    item = command(['python3', '-m', 'mtp.launch', verb], given)
    return batch.plan(settings, host, [(job, item)], plan.reason, plan.problems, plan.makes)


def _prepared(settings: 'Settings', host: 'Host', env: str, build: Build) -> Tuple[jobs.Job, Plan]:
    """(job, plan) of one job."""
    if settings.env and settings.env != env:
        ledger.environment(settings.env)
        raise MTPError(f'this runs in {env}, but ENV={settings.env} is asked for', hint=f'ENV={env}')
    runtime, reason, problems = containers.choose(settings, host, env)
    job = jobs.on_card(build(containers.Places(runtime, settings, host)), choice.card_asked_for(settings))
    problems = tuple(problems) + job.problems + slurm.problems(settings, host)
    problems += _folder_problems(settings, host, job, runtime)
    own = settings.work_root == 'work_dirs' and not host.folders['work_dirs'].exists
    return job, Plan(reason, host.root, (slurm.spread(runtime, settings, host, job),), problems,
                     ('work_dirs',) if own else ())


def without_card(settings: 'Settings', host: 'Host', env: str) -> 'Settings':
    """One process that needs no card, in the image that a run on this machine takes."""
    kind = choice.variant(settings, host, env)
    return settings._replace(accel='none', variant=kind, nodes=1, gpus=1)


def _folder_problems(settings: 'Settings', host: 'Host', job: jobs.Job, runtime: str) -> Tuple[Problem, ...]:
    found = []
    for kind in ('data', 'weights', 'work_dirs'):
        variable, field = ROOTS[kind]
        path = getattr(settings, field)
        state = host.folders[path]
        write = kind in job.writes
        if not write and kind not in job.reads:
            continue
        if not state.exists and not (kind == 'work_dirs' and path == 'work_dirs'):
            found.append(Problem(f'there is no folder {path} ({variable})',
                                 '{} {}, or {}=folder'.format(
                                     'ls -ld' if os.path.lexists(os.path.join(host.root, path)) else 'mkdir -p',
                                     shlex.quote(path), variable)))
        elif state.exists and not (state.writable if write else state.readable):
            found.append(Problem('the folder {} ({}) cannot be {}'.format(path, variable, 'written' if write
                                                                          else 'read'),
                                 f'ls -ld {path}, or {variable}=folder'))
    found += _kept_problems(settings, host, job)
    return tuple(found) + (_bind_problems(settings, host, job) if runtimes.get(runtime).in_image else ())


def _kept_problems(settings: 'Settings', host: 'Host', job: jobs.Job) -> List[Problem]:
    """A folder of this run that is another user's: what a container that was started by hand, as root, has left."""
    kept = settings.work_root if job.kept == 'work_dirs' else job.kept  # a job that names no folder of its own
    path = os.path.join(host.root, kept) if kept else ''
    while path and not os.path.exists(path):
        path = os.path.dirname(path)
    if not path or os.access(path, os.W_OK | os.X_OK):
        return []
    return [Problem('the folder {}, into which this run writes, cannot be written: it belongs to {}'.format(
        path, os.stat(path).st_uid), 'sudo chown -R {}:{} {}, or another folder (SAVE_PATH, OUT, MTP_WORK_ROOT)'.format(
            host.uid, host.gid, path))]


def _bind_problems(settings: 'Settings', host: 'Host', job: jobs.Job) -> Tuple[Problem, ...]:
    """Folders that no engine can bind: their names would be taken for more than a name."""
    found = []
    for outside, inside, _ in base.binds(settings, host, job):
        what = {base.CODE: 'this checkout'}.get(inside, inside)
        if set(outside) & set(',:"\\') or any(ord(letter) < 32 for letter in outside):
            hint = 'mv it to a plain name, or CODE=image' if inside == base.CODE else 'ln -s it to a plain name'
            found.append(Problem('the folder {!r} ({}) has a comma or colon in its name, or worse, which no container '
                                 'engine can bind'.format(outside, what), hint))
    for kind, inside in base.INSIDE.items():
        root = getattr(settings, ROOTS[kind][1])
        for link in links.lost(host.links.get(root, ()), inside) if kind in job.reads + job.writes else ():
            found.append(Problem('the link {}/{} leads to {}, where a container has files of its own'.format(
                root, link.path, link.text), 'let it lead elsewhere, or {}=folder without it'.format(ROOTS[kind][0])))
    return tuple(dict.fromkeys(found))


def _configs(settings: 'Settings', host: 'Host', purpose: str) -> List[Tuple[str, str]]:
    """(environment, path) of each word of CONFIG."""
    if not settings.config:
        verb = 'finetune' if purpose == 'train' else 'test'
        raise MTPError(f'make {verb} needs a config', hint=f'make {verb} CONFIG=configs/..., or make {verb}-<dataset>'
                        + ', or DATA=folder TASK=rotated' * (verb == 'finetune'))
    return [_config(name, settings, host, purpose) for name in _named(settings, host)]


def _config(name: str, settings: 'Settings', host: 'Host', purpose: str) -> Tuple[str, str]:
    """(environment, path) of a config; one of data of one's own, ``work_dirs/own/...``, lies below MTP_WORK_ROOT."""
    own = containers.Places('native', settings, host).host(name)
    if not jobs.is_own(name) or not os.path.isfile(own):
        return configs.find(name, settings.env or None, purpose, root=host.root)
    return configs.find(own, settings.env or None, purpose, root=host.root)[0], name


def _named(settings: 'Settings', host: 'Host') -> Tuple[str, ...]:
    """The words of CONFIG; a name with a blank in it is one of them when it is quoted, or all there is."""
    return jobs.words_or_file('CONFIG', settings.config, lambda path: os.path.join(host.root, path))


def _with_config(dataset: str, settings: 'Settings', host: 'Host', purpose: str) -> 'Settings':
    if settings.env:
        ledger.environment(settings.env)
    if settings.config:
        return settings
    found = configs.of_dataset(dataset, settings.env or None, purpose, host.root)
    other = None if found else configs.of_dataset(dataset, None, purpose, host.root)
    if other:
        raise MTPError(f'{other[1]} belongs to {other[0]}, but ENV={settings.env} is asked for',
                       hint=f'ENV={other[0]}')
    if not found:
        raise configs.not_one(dataset, purpose, host.root)
    return settings._replace(config=found[1])


def _asked(settings: 'Settings', host: 'Host') -> List[Tuple[str, str]]:
    """(environment, variant) of each image to build: VARIANT, else for processors, with ACCEL=nv for the cards here."""
    if settings.variant or settings.accel != 'nv':
        return choice.asked(settings)
    return [(env, choice.for_cards(env, host.cards)) for env, _ in choice.asked(settings, host.cards)]


def _host_plan(host: 'Host', commands: Iterable[Command], problems: Iterable[Problem] = ()) -> Plan:
    return Plan('', host.root, tuple(commands), tuple(problems), ())
