"""What runs inside: the words after ``python`` for pretraining, fine-tuning, testing and data preparation. Pure.

Every path here is the one that the program sees, so the words depend on the runtime through its ``Places``.
"""
import os
import re
import shlex
from typing import TYPE_CHECKING, Callable, Mapping, NamedTuple, Optional, Sequence, Tuple

from mtp import backbones
from mtp.data import catalogue
from mtp.errors import NOT_YET, MTPError
from mtp.launch import configs, ledger, slurm
from mtp.launch.plan import Problem
from mtp.launch.runtimes.base import INSIDE
from mtp.launch.settings import Settings, split
from mtp.launch.tracking import tracker
from mtp.own import config as own_configs

if TYPE_CHECKING:
    from mtp.launch.containers import Places

Job = NamedTuple('Job', [
    ('env', str),
    ('script', Tuple[str, ...]),  # words after ``python``
    ('reads', Tuple[str, ...]),  # of data, weights, work_dirs
    ('writes', Tuple[str, ...]),
    ('distributed', bool),
    ('processes', int),
    ('problems', Tuple[Problem, ...]),  # what has to be there before it can run
    ('name', str),  # among the jobs of a cluster
    ('kept', str),  # folder of the host, relative to the checkout, with what a repeat goes on from
    ('resume', str),  # word that a repeat needs to go on; '' where it does so by itself
    ('card', bool),  # one process that computes on a card, as every distributed job does
    ('folders', Tuple[str, ...]),  # further folders of the host that it reads, absolute: under the same name inside
])
Job.__new__.__defaults__ = ((), 'mtp', 'work_dirs', '', False, ())  # the class syntax with defaults needs Python 3.6.1

NO_VALIDATION = ('--cfg-options', 'val_cfg=None', 'val_dataloader=None', 'val_evaluator=None')
# Programs that can be told to end where they find no card.
ON_CARD = (('main_pretrain.py',), ('tools/train.py',), ('tools/test.py',), ('-m', 'mtp.predict'))
OWN, OWN_CONFIG = 'own', 'config.py'  # trainings on data of one's own: work_dirs/own/<name>/config.py
MASKED = ('segmentation', 'change detection', 'change')  # tasks of the catalogue, and of data of one's own
ONLINE = ('loveda',)  # its labels are not published: the test writes files for the evaluation server


def pretrain(settings: Settings, places: 'Places') -> Job:
    """The guide's pretraining command. A setting of its own name replaces each value, ARGS is added at the end."""
    words = settings.words
    several = settings.nodes * settings.gpus > 1
    script = ['main_pretrain.py', '--backbone', words['BACKBONE'], '--tasks'] + words['TASKS'].split()
    script += ['--datasets'] + words['DATASETS'].split()
    script += ['--batch_size', words['BATCH_SIZE'], '--batch_size_val', words['BATCH_SIZE']]
    script += ['--workers', words['WORKERS']]
    folder = words['SAVE_PATH'] or 'work_dirs/pretrain/' + words['BACKBONE']
    script += ['--save_path', places.of(folder)]
    script += ['--distributed', str(several or settings.launcher == 'slurm'), '--end_iter', words['END_ITER']]
    script += ['--image_size', words['IMAGE_SIZE'], '--init_backbone', init_backbone(words)]
    script += ['--port', settings.port] if settings.port else []
    script += ['--batch_mode', words['BATCH_MODE'], '--background', words['BACKGROUND']]
    script += ['--use_ckpt', words['USE_CKPT'], '--interval', words['INTERVAL']]
    reads = ('data',) if init_backbone(words) == 'none' else ('data', 'weights')
    return _job(settings, places, settings.env or ledger.serving('pretrain')[0], script, reads)._replace(
        name='pretrain-' + words['BACKBONE'], kept=places.kept(folder))


def init_backbone(words: Mapping[str, str]) -> str:
    """Weights to start from: as asked, else those the paper took for this backbone; the reduced one has none."""
    return words['INIT_BACKBONE'] or backbones.start_of(words['BACKBONE'])


def finetune(settings: Settings, places: 'Places', env: str, config: str) -> Job:
    """``tools/train.py`` on ``config``, its output below ``work_dirs/<env>/<dataset>/<stem>``."""
    script = ['tools/train.py', places.of(config), '--work-dir=' + places.of(run_folder(env, config)),
              '--launcher=' + slurm.tool_launcher(settings)]
    script += ['--track=' + tracker(settings)] if tracker(settings) else []
    return _job(settings, places, env, script, ('data', 'weights'))._replace(
        name='finetune-' + _title(config), kept=places.kept(run_folder(env, config)), resume='--resume')


def test(settings: Settings, places: 'Places', env: str, config: str) -> Job:
    """``tools/test.py`` on ``config`` and its newest checkpoint, in the form the guide has for this environment."""
    folder = run_folder(env, config)
    predict, submit = places.of(folder + '/predict'), places.of(folder + '/predict/submit')
    launcher = '--launcher=' + slurm.tool_launcher(settings)
    weights, problems = checkpoint(settings, places, env, config)
    script = ['tools/test.py', places.of(config), places.of(weights)]
    if ledger.environment(env)['generation'] == 1:
        script += ['--format-only', '--show-dir=' + predict + '/show', '--eval-options', 'submission_dir=' + submit,
                   launcher]
    else:
        script += ['--work-dir=' + predict]
        masks = masks_folder(config)
        script += [f'--out={predict}/{masks}'] if masks else []
        script += ['--show-dir=' + predict + '/show', launcher] + list(NO_VALIDATION)
    kept = ('weights',) if script[2].startswith(INSIDE['weights'] + '/') else ()
    data = () if is_own(config) else ('data',)
    return _job(settings, places, env, script, data + kept)._replace(
        problems=problems, name='test-' + _title(config), kept=places.kept(folder + '/predict'))


def predict(settings: Settings, places: 'Places', env: str, config: str) -> Job:
    """``python -m mtp.predict`` on IMAGES, or BEFORE and AFTER: files and folders, words of a shell."""
    weights, problems = checkpoint(settings, places, env, config)
    weights = places.of(weights)
    images = {name: [places.of(word) for word in words_or_file(name, settings.words[name], places.host)]
              for name in ('IMAGES', 'BEFORE', 'AFTER')}
    script = ['-m', 'mtp.predict'] + images['IMAGES'] + ['--config', places.of(config), '--checkpoint', weights,
                                                         '--out', places.of(settings.words['OUT']
                                                                            or 'work_dirs/predict')]
    for name in ('BEFORE', 'AFTER'):
        script += ['--' + name.lower()] + images[name] if images[name] else []
    reads = tuple(kind for kind in ('data', 'weights') if any(
        path.startswith(places.of(kind + '/')) for path in sum(images.values(), [weights])))
    return _job(settings, places, env, script, reads)._replace(
        problems=problems, name='predict-' + _title(config), card=True,
        kept=places.kept(settings.words['OUT'] or 'work_dirs/predict'))


def masks_folder(config: str) -> str:
    """Where a test of ``config`` leaves its masks, below its own folder; '' where it makes none."""
    dataset = configs.dataset_and_stem(config)[0]
    if dataset in ONLINE:
        return 'submit'
    task = catalogue.get(dataset).task if dataset in catalogue.names() else own_task(config)
    return 'masks' if task in MASKED else ''


def own_task(config: str) -> str:
    """TASK of a config that ``make finetune DATA=`` has written, by the name of its folder; '' of any other."""
    found = is_own(config) and re.search(r'-({})-({})(-\w+)?$'.format('|'.join(own_configs.MODELS), '|'.join(
        own_configs.BACKBONES)), os.path.basename(os.path.dirname(config)))
    return found.group(1) if found else ''


def browse(settings: Settings, places: 'Places', env: str) -> Job:
    """``python -m mtp.browse`` on RUN; the page lies in it unless OUT says otherwise."""
    run, out = settings.words['RUN'].rstrip('/'), settings.words['OUT']
    script = ['-m', 'mtp.browse', places.of(run)] + (['--out', places.of(out)] if out else [])
    reads = ('data',) if os.path.isdir(places.host('data/')) else ()  # images of a prediction may lie anywhere
    return _job(settings, places, env, script, reads, distributed=False)._replace(
        name='browse', kept=places.kept(out or run))


def words_or_file(name: str, value: str, host: Callable[[str], str]) -> Tuple[str, ...]:
    """The words of a setting, as a shell splits them; one word where ``host(value)`` is there as it stands.

    Raises:
        MTPError: a quotation mark that is not closed.
    """
    return (value,) if value and os.path.exists(host(value)) else split(name, value)


def data(settings: Settings, places: 'Places', line: str) -> Job:
    """One command of the catalogue (``python ...``) that turns a publisher's files into what training reads."""
    words = shlex.split(line)[1:]
    env = settings.env or ledger.serving('tools')[0]
    return _job(settings, places, env, words, (), ('data', 'work_dirs'), distributed=False)


def samples(settings: Settings, places: 'Places') -> Job:
    """Tiny sample sets below OUT, by default ``work_dirs/samples``: never among real data unless asked."""
    script = ['-m', 'mtp.data.samples', 'all', '--out', places.of(settings.words['OUT'] or 'work_dirs/samples')]
    env = settings.env or ledger.serving('tools')[0]
    return _job(settings, places, env, script, (), ('work_dirs',), distributed=False)


def on_card(job: Job, asked: bool) -> Job:
    """``job``, told to end where it finds no card when one was ``asked`` for, unless its words say on what to
    compute.
    """
    known = any(job.script[:len(start)] == start for start in ON_CARD)
    if not asked or not known or any(word.split('=')[0] == '--device' for word in job.script):
        return job
    return job._replace(script=job.script + ('--device', 'cuda'))


def run_folder(env: str, config: str) -> str:
    """Where training and testing of ``config`` write: ``work_dirs/<env>/<dataset>/<stem>``, or beside one's own."""
    if is_own(config):  # not where it lies: the toolbox writes the whole config, under the same name, into its folder
        return os.path.dirname(config) + '/train'
    return 'work_dirs/{}/{}/{}'.format(env, *configs.dataset_and_stem(config))


def is_own(config: str) -> bool:
    """Whether ``config`` is one that ``make finetune DATA=`` has written: ``work_dirs/own/<name>/config.py``."""
    return config.replace(os.sep, '/').split('/')[-3:-2] == [OWN] and os.path.basename(config) == OWN_CONFIG


def _title(config: str) -> str:
    dataset, stem = configs.dataset_and_stem(config)
    return dataset if is_own(config) else stem


def checkpoint(settings: Settings, places: 'Places', env: str, config: str) -> Tuple[str, Tuple[Problem, ...]]:
    """(path, problems): CHECKPOINT as given, else the newest of this config, else of its name in another environment.

    The paper trains FAIR1M and DOTA-v1.0 in mmrotate1 and tests the same weights in mmrotate03. Where there is none,
    the path is the one it would have, and the problem says how to get it.
    """
    if settings.checkpoint:
        if not os.path.isfile(places.host(settings.checkpoint)):
            raise MTPError(f'CHECKPOINT={settings.checkpoint} is no file',
                           hint='ls {}'.format(shlex.quote(os.path.dirname(settings.checkpoint) or '.')))
        return settings.checkpoint, ()
    own = run_folder(env, config)
    folders = [own] + [run_folder(other, config) for other in ledger.names() if other != env]
    for folder in folders:
        found = newest_checkpoint(places.host(folder))
        if found:
            return f'{folder}/{found}', ()
    message = 'there is no epoch_*.pth or iter_*.pth in {}'.format(' nor in '.join(map(places.host, folders)))
    hint = f'make finetune CONFIG={configs.dataset_and_stem(config)[1]}, or CHECKPOINT=file'
    return own + '/epoch_12.pth', (Problem(message, hint),)


def newest_checkpoint(folder: str) -> Optional[str]:
    """Name of the checkpoint with the highest epoch or iteration in ``folder``, or None."""
    names = os.listdir(folder) if os.path.isdir(folder) else ()
    matches = [match for match in (re.match(r'^(epoch|iter)_(\d+)\.pth$', name) for name in names) if match]
    return max(matches, key=lambda match: int(match.group(2))).group(0) if matches else None


def need_file(root: str, words: Sequence[str]) -> None:
    """Raise NOT_YET when the program that ``words`` (after ``python``) start is not in the checkout."""
    if words[0] == '-m':
        base = words[1].replace('.', '/')
        paths = [base + '.py', base + '/__main__.py']
    else:
        paths = list(words[:1])
    if not any(os.path.isfile(os.path.join(root, path)) for path in paths):
        raise MTPError('not yet: {} is not built'.format(' or '.join(paths)), code=NOT_YET)


def _job(settings: Settings, places: 'Places', env: str, script: Sequence[str], reads: Sequence[str],
         writes: Sequence[str] = ('work_dirs',), distributed: bool = True) -> Job:
    need_file(places.root, script)
    processes = settings.nodes * settings.gpus if distributed else 1
    return Job(env, tuple(script) + settings.args, tuple(reads), tuple(writes), distributed, processes)
