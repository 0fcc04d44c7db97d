"""The steps of ``make reproduce``, each a plan of the same verbs a user would type. Pure. Standard library."""
from typing import Callable, NamedTuple

from mtp.data import catalogue
from mtp.launch import configs, jobs, verbs

# Which sample set holds a data set, where it has another name, and how many images are enough.
SAMPLES = {'dior': 'samrs', 'diorr': 'samrs', 'dotav1': 'dota', 'spacenetv1': 'spacenet'}
COUNTS = {'dota': 2, 'dotav2': 2, 'fair1m': 2, 'samrs': 8, 'eurosat': 5, 'resisc45': 5, 'xview': 3}
# Options with which a rehearsal stops half way: a schedule has epochs, steps, or is of the older generation.
HALVES = {'loveda': 'train_cfg.max_iters=4', 'spacenetv1': 'train_cfg.max_iters=4'}
# The published numbers were got with the released code as it was.
AS_PUBLISHED = ('--cfg-options', 'recipe=released_code')

Run = NamedTuple('Run', [('env', str), ('config', str), ('test_env', str), ('test_config', str), ('dataset', str)])
Stage = NamedTuple('Stage', [('name', str), ('title', str), ('plan', Callable)])  # plan(settings, host) -> Plan


def run_of(settings, root):
    """Which configs train and test: those a bare or published name means in either role, as in the paper."""
    env, config = configs.find(settings.config, settings.env or None, 'train', root=root)
    test_env, test_config = configs.find(settings.config, settings.env or None, 'test', root=root)
    return Run(env, config, test_env, test_config, configs.dataset_and_stem(config)[0])


def real(run):
    """Train, test, judge."""
    return [Stage('train', 'train {}'.format(run.config), lambda *given: _train(run, *given, words=AS_PUBLISHED)),
            Stage('test', 'test {}'.format(run.test_config), lambda *given: _test(run, *given, words=AS_PUBLISHED)),
            Stage('judge', 'judge', lambda *given: _judge(run, *given))]


def rehearsal(run):
    """The same on samples: draw and prepare them, train in two parts, test, judge."""
    half = HALVES.get(run.dataset, 'runner.max_epochs=1' if run.env == 'mmrotate03' else 'train_cfg.max_epochs=1')
    small = ('--rehearse',)
    return [Stage('samples', 'draw samples in the format of {}'.format(run.dataset),
                  lambda *given: _samples(run, *given)),
            Stage('data', 'prepare them', lambda *given: _prepare(run, *given)),
            Stage('train', 'train {}, in small, half way'.format(run.config),
                  lambda *given: _train(run, *given, words=small + ('--cfg-options', half))),
            Stage('resume', 'go on with it', lambda *given: _train(run, *given, words=small)),
            Stage('test', 'test {}'.format(run.test_config), lambda *given: _test(run, *given, words=small)),
            Stage('judge', 'judge', lambda *given: _judge(run, *given, words=('--rehearsal',)))]


def _train(run, settings, host, words=()):
    def build(places):
        begun = jobs.newest_checkpoint(places.host(jobs.run_folder(run.env, run.config)))
        own = settings._replace(args=(('--resume',) if begun else ()) + words + settings.args)
        return jobs.finetune(own, places, run.env, run.config)

    return verbs.job_plan(settings, host, run.env, build)


def _test(run, settings, host, words=()):
    own = settings._replace(args=words)

    def build(places):
        job = jobs.test(own, places, run.test_env, run.test_config)
        # What this run has trained, whatever else of that name there may be.
        folder = jobs.run_folder(run.env, run.config)
        newest = jobs.newest_checkpoint(places.host(folder))
        weights = places.of('{}/{}'.format(folder, newest or 'epoch_N.pth'))
        return job._replace(script=job.script[:2] + (weights,) + job.script[3:], problems=() if newest else job.problems)

    return verbs.job_plan(settings, host, run.test_env, build)


def _judge(run, settings, host, words=()):
    def build(places):
        folder = jobs.run_folder(run.env, run.config)
        script = ('-m', 'mtp.reproduce.judge', run.env, run.config, '--train', places.of(folder), '--test',
                  places.of(jobs.run_folder(run.test_env, run.test_config) + '/predict')) + words
        return jobs.Job(run.env, script, (), ('work_dirs',), False, 1)

    return verbs.job_plan(settings._replace(nodes=1, gpus=1), host, run.env, build)


def _samples(run, settings, host):
    name = SAMPLES.get(run.dataset, run.dataset)
    count = ('--images', str(COUNTS[name])) if name in COUNTS else ()

    def build(places):
        script = ('-m', 'mtp.data.samples', name, '--out', places.of('work_dirs/data')) + count
        return jobs.Job(run.env, script, (), ('work_dirs',), False, 1)

    return verbs.job_plan(settings._replace(nodes=1, gpus=1), host, run.env, build)


def _prepare(run, settings, host):
    return verbs.data_dataset(run.dataset, settings._replace(args=(verbs.ANY_COUNT,)), host)


def missing_data(run):
    """Folder below the data root that training reads first."""
    splits = catalogue.get(run.dataset).splits
    return next(iter(splits.values())).images
