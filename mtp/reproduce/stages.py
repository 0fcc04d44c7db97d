"""The steps of ``make reproduce``, each a plan of the same verbs a user would type. Pure. Standard library."""
from typing import Callable, List, NamedTuple, Tuple

from mtp.data import catalogue
from mtp.launch import configs, jobs, ledger, verbs
from mtp.launch.containers import Places
from mtp.launch.host import Host
from mtp.launch.jobs import Job
from mtp.launch.plan import Plan
from mtp.launch.settings import Settings

# Options with which a rehearsal stops half way: a schedule has epochs, steps, or is of the older generation.
HALVES = {'loveda': 'train_cfg.max_iters=4', 'spacenetv1': 'train_cfg.max_iters=4'}
# The published numbers were got with the released code as it was.
AS_PUBLISHED = ('--cfg-options', 'recipe=released_code')

Run = NamedTuple('Run', [('env', str), ('config', str), ('test_env', str), ('test_config', str), ('dataset', str)])
Stage = NamedTuple('Stage', [('name', str), ('title', str), ('plan', Callable[[Settings, Host], Plan])])


def run_of(settings: Settings, root: str) -> Run:
    """Which configs train and test: those a bare or published name means in either role, as in the paper."""
    env, config = configs.find(settings.config, settings.env or None, 'train', root=root)
    test_env, test_config = configs.find(settings.config, settings.env or None, 'test', root=root)
    return Run(env, config, test_env, test_config, configs.dataset_and_stem(config)[0])


def as_published(run: Run, root: str) -> Run:
    """``run`` with the training that gave the published number: the test environment has trained none of its own.

    One that is not of the record trains and tests by itself.
    """
    if run.env not in ledger.recorded():
        return run
    stem = configs.dataset_and_stem(run.config)[1]
    twins = [leaf for leaf in configs.leaves(root) if leaf.env == configs.preferred('train')
             and (leaf.dataset, leaf.stem) == (run.dataset, stem)]
    return run._replace(env=twins[0].env, config=configs.leaf_path(twins[0])) if twins else run


def real(run: Run) -> List[Stage]:
    """Train, test, judge."""
    return [Stage('train', f'train {run.config}', lambda settings, host: _train(
                run, settings, host, ('--accumulate', settings.words['ACCUMULATE']) + AS_PUBLISHED)),
            Stage('test', f'test {run.test_config}', lambda settings, host: _test(run, settings, host, AS_PUBLISHED)),
            Stage('judge', 'judge', lambda settings, host: _judge(run, settings, host))]


def rehearsal(run: Run) -> List[Stage]:
    """The same on samples: draw and prepare them, train in two parts, test, judge."""
    half = HALVES.get(run.dataset, '{}.max_epochs=1'.format(
        'runner' if ledger.environment(run.env)['generation'] == 1 else 'train_cfg'))
    small = ('--rehearse',)
    return [Stage('samples', f'draw samples in the format of {run.dataset}',
                  lambda settings, host: _samples(run, settings, host)),
            Stage('data', 'prepare them', lambda settings, host: _prepare(run, settings, host)),
            Stage('train', f'train {run.config}, in small, half way',
                  lambda settings, host: _train(run, settings, host, small + ('--cfg-options', half))),
            Stage('resume', 'go on with it', lambda settings, host: _train(run, settings, host, small)),
            Stage('test', f'test {run.test_config}', lambda settings, host: _test(run, settings, host, small)),
            Stage('judge', 'judge', lambda settings, host: _judge(run, settings, host, ('--rehearsal',)))]


def _train(run: Run, settings: Settings, host: Host, words: Tuple[str, ...] = ()) -> Plan:
    def build(places: Places) -> Job:
        begun = jobs.newest_checkpoint(places.host(jobs.run_folder(run.env, run.config)))
        own = settings._replace(args=(('--resume',) if begun else ()) + words + settings.args)
        return jobs.finetune(own, places, run.env, run.config)

    return verbs.job_plan(settings, host, run.env, build)


def _test(run: Run, settings: Settings, host: Host, words: Tuple[str, ...] = ()) -> Plan:
    own = settings._replace(args=words)

    def build(places: Places) -> Job:
        job = jobs.test(own, places, run.test_env, run.test_config)
        # What this run has trained, whatever else of that name there may be.
        folder = jobs.run_folder(run.env, run.config)
        newest = jobs.newest_checkpoint(places.host(folder))
        weights = places.of('{}/{}'.format(folder, newest or 'epoch_N.pth'))
        return job._replace(script=job.script[:2] + (weights,) + job.script[3:],
                            problems=() if newest else job.problems)

    return verbs.job_plan(settings, host, run.test_env, build)


def _judge(run: Run, settings: Settings, host: Host, words: Tuple[str, ...] = ()) -> Plan:
    def build(places: Places) -> Job:
        folder = jobs.run_folder(run.env, run.config)
        script = ('-m', 'mtp.reproduce.judge', run.env, run.config, '--train', places.of(folder), '--test',
                  places.of(jobs.run_folder(run.test_env, run.test_config) + '/predict')) + words
        return jobs.Job(run.env, script, ('data',), ('work_dirs',), False, 1)

    return verbs.job_plan(settings._replace(nodes=1, gpus=1), host, run.env, build)


def _samples(run: Run, settings: Settings, host: Host) -> Plan:
    dataset = catalogue.get(run.dataset)
    count = ('--images', str(dataset.sample_images)) if dataset.sample_images else ()

    def build(places: Places) -> Job:
        script = ('-m', 'mtp.data.samples', dataset.sample, '--out', places.of('work_dirs/data')) + count
        return jobs.Job(run.env, script, (), ('work_dirs',), False, 1)

    return verbs.job_plan(settings._replace(nodes=1, gpus=1), host, run.env, build)


def _prepare(run: Run, settings: Settings, host: Host) -> Plan:
    return verbs.data_dataset(run.dataset, settings._replace(args=(verbs.ANY_COUNT,)), host)


def missing_data(run: Run) -> str:
    """Folder below the data root that training reads first."""
    splits = catalogue.get(run.dataset).splits
    return next(iter(splits.values())).images
