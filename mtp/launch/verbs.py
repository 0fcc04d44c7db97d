"""Verbs of the front door, each a function from settings and host to a plan. Pure."""
import difflib
import os

from mtp.data import catalogue
from mtp.errors import NOT_YET, MTPError
from mtp.launch import bench as benchmarks
from mtp.launch import batch, building, configs, containers, jobs, ledger, replay, slurm
from mtp.launch import setup as setting_up
from mtp.launch import venvs
from mtp.launch.host import venv_python
from mtp.launch.plan import Plan, Problem, command

# Other names of one dataset in a verb: ``test-dota`` is ``test-dotav1``.
DATASETS = {'dota': 'dotav1'}
# What the user meant for each root when the folder is not there.
ROOTS = {'data': ('MTP_DATA_ROOT', 'data_root'), 'weights': ('MTP_WEIGHTS_ROOT', 'weights_root'),
         'work_dirs': ('MTP_WORK_ROOT', 'work_root')}


def plan(verb, settings, host):
    """The :class:`Plan` of ``verb``.

    Raises:
        MTPError: no such verb (with near names, exit code 2), or one whose room is not built (exit code 3).
    """
    head, dash, dataset = verb.partition('-')
    if settings.submit and head not in SUBMITTED:
        raise MTPError('SUBMIT=1 goes with {}; {} is not run as a batch job'.format(', '.join(SUBMITTED), verb),
                       hint='leave SUBMIT away')
    if verb in VERBS:
        return VERBS[verb](settings, host)
    dataset = DATASETS.get(dataset, dataset)
    if dash and head in DATASET_VERBS and dataset in catalogue.names():
        return DATASET_VERBS[head](dataset, settings, host)
    known = names()
    near = difflib.get_close_matches(verb, known, n=3, cutoff=0.5)
    offer = ' or '.join('make ' + name for name in near)
    raise MTPError('there is no target {!r}'.format(verb),
                   hint='did you mean {}?'.format(offer) if near else 'make help')


def names():
    """Every verb, the plain ones first."""
    datasets = list(catalogue.names()) + list(DATASETS)
    return list(VERBS) + ['{}-{}'.format(head, dataset) for head in DATASET_VERBS for dataset in datasets]


def pretrain(settings, host):
    """Multi-task pretraining."""
    return run_plan(settings, host, [('mmrotate1', lambda places: jobs.pretrain(settings, places))])


def finetune(settings, host):
    """Fine-tuning with CONFIG, or with each of several."""
    return run_plan(settings, host, [
        (env, lambda places, env=env, config=config: jobs.finetune(settings, places, env, config))
        for env, config in _configs(settings, host, 'train')])


def test(settings, host):
    """Testing with CONFIG, or with each of several, and CHECKPOINT."""
    return run_plan(settings, host, [
        (env, lambda places, env=env, config=config: jobs.test(settings, places, env, config))
        for env, config in _configs(settings, host, 'test')])


def predict(settings, host):
    """Objects in IMAGES with CONFIG and CHECKPOINT."""
    example = "make predict IMAGES='scene.tif folder' CONFIG=configs/... CHECKPOINT=file"
    if not settings.words['IMAGES'] or len(settings.config.split()) != 1:
        raise MTPError('make predict needs IMAGES and one CONFIG', hint=example)
    alone = settings._replace(nodes=1, gpus=1)
    env, config = _configs(alone, host, 'test')[0]
    return job_plan(alone, host, env, lambda places: jobs.predict(alone, places, env, config))


def finetune_dataset(dataset, settings, host):
    """Fine-tuning with the paper's main config of one dataset, or with CONFIG."""
    return finetune(_with_config(dataset, settings, host, 'train'), host)


def test_dataset(dataset, settings, host):
    """Testing with the paper's main config of one dataset, or with CONFIG."""
    return test(_with_config(dataset, settings, host, 'test'), host)


def data_dataset(dataset, settings, host):
    """The catalogue's commands that turn a publisher's files into what training reads, then the check of all of it."""
    quiet = _without_card(settings, host)
    given = tuple(word for word in quiet.args if word != ANY_COUNT)
    check_line = 'python -m mtp.data check {}{}'.format(dataset, ' ' + ANY_COUNT if given != quiet.args else '')
    lines = [(line, given) for line in catalogue.get(dataset).prepare] + [(check_line, ())]
    plans = [job_plan(quiet, host, quiet.env or 'mmrotate1', lambda places, line=line, words=words: jobs.data(
        quiet._replace(args=words), places, line)) for line, words in lines]
    return plans[0]._replace(commands=tuple(item for each in plans for item in each.commands))


def samples(settings, host):
    """Tiny sample sets of the data formats."""
    quiet = _without_card(settings, host)
    return job_plan(quiet, host, quiet.env or 'mmrotate1', lambda places: jobs.samples(quiet, places))


def images(settings, host):
    """``docker build`` of one or both images, and their bills of materials."""
    return _host_plan(host, *building.images(settings, host, _envs(settings), _variant(settings)))


def sif(settings, host):
    """``apptainer build`` of one or both images from the docker images."""
    return _host_plan(host, *building.sif(settings, host, _envs(settings), _variant(settings)))


def setup(settings, host):
    """The native environments. What is printed are its steps; what runs skips those that are done."""
    if not settings.dryrun:
        return _module('mtp.launch.setup')(settings, host)
    commands = [command(step.words, step.environment) for env in _envs(settings)
                for step in setting_up.steps(settings, host.root, env, 'python3.8', '3.8')]
    return _host_plan(host, commands)


def check(settings, host):
    """The tests, in each native environment; those that are not ready are made first."""
    envs = _envs(settings)
    unready = [env for env in envs if host.venvs[env] != venvs.READY]
    first = [command(['python3', '-m', 'mtp.launch.setup'], dict(settings.given, ENV=env)) for env in unready]
    environment = {'PYTHONNOUSERSITE': '1', 'PYTHONDONTWRITEBYTECODE': '1'}
    environment.update({} if 'OMP_NUM_THREADS' in settings.environ else {'OMP_NUM_THREADS': '1'})
    # One process a core, but no more than four: each imports the toolboxes and builds models of its own. A file stays in
    # one process, so that its fixtures are made once.
    words = ['-m', 'pytest', '--durations=10', '--numprocesses=auto', '--maxprocesses=4', '--dist=loadfile']
    words += list(settings.args)
    return _host_plan(host, first + [command([venv_python(settings, env)] + words, environment) for env in envs])


def again(settings, host):
    """The run of a passport once more, and what differs."""
    return replay.plan(settings, host, job_plan)


def bench(settings, host):
    """Every benchmark below ci/bench, and the table of their results."""
    benchmarks.need(host.root)
    plan = _module('mtp.launch.bench')(settings, host)
    return plan._replace(problems=containers.native_problems(host, settings.env or 'mmrotate1'))


def _module(name, *first, takes_words=False):
    """A verb that is a program of its own, run by the host's Python; it reads the settings by itself."""
    def verb(settings, host):
        jobs.need_file(host.root, ['-m', name])
        words = ['python3', '-m', name] + list(first) + (list(settings.args) if takes_words else [])
        return _host_plan(host, [command(words, {} if takes_words else settings.given)])
    verb.__doc__ = 'python3 -m ' + name
    return verb


def _cluster(word):
    """The test cluster of ci/cluster."""
    def verb(settings, host):
        return _host_plan(host, [command(['ci/cluster', word] + list(settings.args))])
    verb.__doc__ = 'ci/cluster ' + word
    return verb


VERBS = {
    'setup': setup, 'images': images, 'sif': sif, 'lock': _module('mtp.launch.lock', takes_words=True),
    'doctor': _module('mtp.launch.doctor'), 'demo': _module('mtp.demo'), 'check': check, 'bench': bench,
    'bundle': _module('mtp.launch.bundle'), 'verify-bundle': _module('mtp.launch.verify_bundle'), 'replay': again,
    'samples': samples, 'pretrain': pretrain, 'finetune': finetune, 'test': test,
    'predict': predict,
    'reproduce': _module('mtp.reproduce'),
    'status': _module('mtp.launch.submitted', 'status'), 'logs': _module('mtp.launch.submitted', 'logs'),
    'cluster-up': _cluster('up'), 'cluster-down': _cluster('down'),
}
SUBMITTED = ('pretrain', 'finetune', 'test')  # with their datasets
PRINT_THEMSELVES = ('demo', 'reproduce')  # plan stage by stage, and print that with DRYRUN=1
ANY_COUNT = '--any-count'  # the word of a check that takes other numbers of images than the official ones
DATASET_VERBS = {'finetune': finetune_dataset, 'test': test_dataset, 'data': data_dataset}


def job_plan(settings, host, env, build):
    """Plan of a job in its runtime; ``build`` makes the job once it is known where the program will see what."""
    return _prepared(settings, host, env, build)[1]


def run_plan(settings, host, builds):
    """Plan of one or several (env, build), as for :func:`job_plan`: run in turn, or with SUBMIT as an array of jobs."""
    found = [_prepared(settings, host, env, build) for env, build in builds]
    plans = [each for _, each in found]
    problems = tuple(dict.fromkeys(problem for each in plans for problem in each.problems))
    prepared = [(job, each.commands[0]) for job, each in found]
    if settings.submit:
        return batch.plan(settings, host, prepared, plans[0].reason, problems, plans[0].makes)
    header = ()
    if settings.launcher == 'slurm' and len(found) == 1:  # what is printed can be handed to sbatch as well
        header = ('#!/usr/bin/env bash',) + tuple(slurm.directives(settings, host, found[0][0], settings.job))
    return plans[0]._replace(commands=tuple(item for _, item in prepared), problems=problems, header=header)


def _prepared(settings, host, env, build):
    """(job, plan) of one job."""
    if settings.env and settings.env != env:
        ledger.environment(settings.env)
        raise MTPError('this runs in {}, but ENV={} is asked for'.format(env, settings.env), hint='ENV={}'.format(env))
    runtime, reason, problems = containers.choose(settings, host, env)
    job = build(containers.Places(runtime, settings, host))
    problems = tuple(problems) + job.problems + slurm.problems(settings, host)
    problems += _folder_problems(settings, host, job, runtime)
    own = settings.work_root == 'work_dirs' and not host.folders['work_dirs'].exists
    return job, Plan(reason, host.root, (slurm.spread(runtime, settings, host, job),), problems,
                     ('work_dirs',) if own else ())


def _without_card(settings, host):
    """One process that needs no card, in the image that a run on this machine takes."""
    kind = containers.variant(settings, containers.accelerator(settings, host))
    return settings._replace(accel='none', variant=kind, nodes=1, gpus=1)


def _folder_problems(settings, host, job, runtime):
    found = []
    for kind in ('data', 'weights', 'work_dirs'):
        variable, field = ROOTS[kind]
        path = getattr(settings, field)
        state = host.folders[path]
        write = kind in job.writes
        if not write and kind not in job.reads:
            continue
        if not state.exists and not (kind == 'work_dirs' and path == 'work_dirs'):
            found.append(Problem('there is no folder {} ({})'.format(path, variable),
                                 'mkdir -p {0}, or {1}=folder'.format(path, variable)))
        elif state.exists and not (state.writable if write else state.readable):
            found.append(Problem('the folder {} ({}) cannot be {}'.format(path, variable, 'written' if write
                                                                          else 'read'),
                                 'ls -ld {0}, or {1}=folder'.format(path, variable)))
        elif runtime != 'native' and set(path) & set(',:'):
            found.append(Problem('the folder {!r} ({}) has a comma or colon in its name, which no container engine can '
                                 'bind'.format(path, variable), 'ln -s it to a plain name'))
    return tuple(found)


def _configs(settings, host, purpose):
    """(environment, path) of each word of CONFIG."""
    if not settings.config:
        verb = 'finetune' if purpose == 'train' else 'test'
        raise MTPError('make {} needs a config'.format(verb), hint='make {0} CONFIG=configs/..., or make {0}-<dataset>'
                       .format(verb))
    return [configs.find(name, settings.env or None, purpose, root=host.root) for name in settings.config.split()]


def _with_config(dataset, settings, host, purpose):
    if settings.env:
        ledger.environment(settings.env)
    if settings.config:
        return settings
    found = configs.of_dataset(dataset, settings.env or None, purpose, host.root)
    other = None if found else configs.of_dataset(dataset, None, purpose, host.root)
    if other:
        raise MTPError('{} belongs to {}, but ENV={} is asked for'.format(other[1], other[0], settings.env),
                       hint='ENV={}'.format(other[0]))
    if not found:
        raise MTPError('not yet: there is no config for {}'.format(dataset), code=NOT_YET)
    return settings._replace(config=found[1])


def _envs(settings):
    if settings.env:
        ledger.environment(settings.env)
    return [settings.env] if settings.env else ledger.names()


def _variant(settings):
    kind = settings.variant or ('cu113' if settings.accel == 'nv' else 'cpu')
    ledger.variant(kind)
    return kind


def _host_plan(host, commands, problems=()):
    return Plan('', host.root, tuple(commands), tuple(problems), ())
