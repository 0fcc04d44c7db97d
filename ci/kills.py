"""Kill every verb at random moments; the same command, started again, has to end as if nobody had: ``ci/kills``.

Each verb runs once undisturbed, on drawn data and the smallest network. Then it is started and killed (SIGKILL, or what
``--signal`` says, its whole process group) until as many kills have hit as are asked for; each time it comes to its
end, what it leaves is compared with the undisturbed run. At last two are started at once in one folder: one has to
work, the other to say who does.
"""
import argparse
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from typing import Callable, NamedTuple, Tuple

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# a package of an environment is called tests too, so the modules are named by themselves
sys.path[:0] = [ROOT] + [os.path.join(ROOT, 'tests', room) for room in ('pretrain', 'adapters', 'predict')]

from mtp.data import catalogue  # noqa: E402
from mtp.errors import CONTINUE, FAILED, OK, USAGE, MTPError, run_main  # noqa: E402
import models  # noqa: E402
import tiny  # noqa: E402
from zygote import Zygote  # noqa: E402

CONFIG = 'configs/mtp/demo/oriented_rcnn_rvsa_t_256_mtp_dotav1.py'
LONGEST = 300  # seconds of one start
#: Signal -> exit codes of a verb that it has ended: at once, or in good order.
ENDS = {'KILL': (-signal.SIGKILL,), 'TERM': (-signal.SIGTERM, CONTINUE), 'INT': (130, CONTINUE)}
WEIGHTS = 'import sys; sys.path[:0] = ["", "tests/adapters"]; import tiny; tiny.write_weights(*sys.argv[1:])'

MAP_WEIGHTS = ('import sys; sys.path[:0] = ["", "tests/predict"]; import models; '
               'models.write_weights(sys.argv[1], "segmentation")')


class Verb(NamedTuple):
    """What is killed; ``home`` is the folder of a run, ``place`` that of what all runs read."""
    env: str
    call: str  # module:function
    words: Callable  # (home, place) -> what is typed
    left: Callable  # (home) -> {name: check sum}
    data: bool = False  # whether home is the data root of the run, too


def pretrain(home, place):
    return ('--backbone vit_t_rvsa --tasks rd ss --datasets fast sota --batch_size 2 --end_iter 8 --image_size 64 '
            '--init_backbone none --interval 2 --workers 1 --save_path').split() + [home]


def finetune(old):
    """``tools/train.py``, in steps so short that kills hit between them, in them, and while a checkpoint is written."""
    steps = ['runner.max_iters=8', 'data.samples_per_gpu=2', 'checkpoint_config.interval=2', 'data.workers_per_gpu=1',
             'optimizer.paramwise_cfg.num_layers=4'] if old else [
        'train_cfg.max_iters=8', 'train_dataloader.batch_size=2', 'default_hooks.checkpoint.interval=2',
        'train_dataloader.num_workers=1', 'optim_wrapper.paramwise_cfg.num_layers=4']
    return lambda home, place: [CONFIG, '--resume', '--work-dir=' + home, '--cfg-options', *tiny.NARROW, *steps,
                                'model.backbone.drop_path_rate=0.3']


def test(old):
    """``tools/test.py`` to a submission."""
    def words(home, place):
        weights = os.path.join(place, 'weights-{}.pth'.format('mmrotate03' if old else 'mmrotate1'))
        out = os.path.join(home, 'submit')
        if old:
            return [CONFIG, weights, '--work-dir=' + home, '--format-only', '--eval-options', 'submission_dir=' + out,
                    '--cfg-options', *options(), 'data.workers_per_gpu=1', 'data.test_dataloader.samples_per_gpu=1']
        return [os.path.join(place, 'submission.py'), weights, '--work-dir=' + home, '--batch-size=1', '--workers=1',
                '--cfg-options', *options()]
    return words


def options():
    """Settings under which a network that was never trained finds something."""
    return [word for word in tiny.NARROW if 'img_size' not in word] + [
        'model.test_cfg.rcnn.score_thr=0.0', 'model.test_cfg.rpn.max_per_img=20']


def predict(home, place):
    return [os.path.join(place, 'images'), '--config', CONFIG, '--checkpoint',
            os.path.join(place, 'weights-mmrotate1.pth'), '--out', home, '--cfg-options', *options()]


def predict_map(home, place):
    config, narrow = models.TASKS['segmentation']
    return [os.path.join(place, 'images'), '--config', config, '--checkpoint', os.path.join(place, 'weights-map.pth'),
            '--out', home, '--scores', '--cfg-options', *narrow]


def cut(home, place):
    return ['--images', os.path.join(place, 'images'), '--out', home, '--preset', 'demo_ms']


def data_xview(home, place):
    source = os.path.join(place, 'data', 'xview')
    return ['--geojson', os.path.join(source, 'xView_train.geojson'), '--images', os.path.join(source, 'train_images'),
            '--out', home, '--jobs', '2']


def data_spacenet(home, place):
    source = os.path.join(place, 'data', 'spacenet')
    return ['--rasters', os.path.join(source, '3band'), '--vectors', os.path.join(source, 'geojson'), '--out', home]


def data_samrs(home, place):
    return ['--dataset', 'sota', '--out', home]


def prepared(folder, *first):
    """A preparation that reads ``folder`` of the samples and writes to another."""
    return lambda home, place: [*first, '--root', os.path.join(place, 'data', *folder.split('/')), '--out', home]


def in_place(*first):
    """A preparation that writes beside what it reads: the home of each run is a data root of its own."""
    def words(home, place):
        if not os.path.isdir(home):
            shutil.copytree(os.path.join(place, 'data'), home, symlinks=True)
        return list(first)
    return words


def tensors(home):
    """Check sums of all tensors, those of the optimizer too, in the last checkpoint, and the figures on the way."""
    names = [name for name in os.listdir(home) if name.endswith('8.pth') or re.match('last_.*model.pth', name)]
    found = {}
    for name in names:
        with zipfile.ZipFile(os.path.join(home, name)) as archive:
            found.update((name + item.filename, item.CRC) for item in archive.infolist() if '/data/' in item.filename)
    return dict(found, **files(home, r'validation\.json$'))


def submission(home):
    """Texts of a submission."""
    return files(home, r'submit/Task1_.*\.txt$')


def files(home, wanted=r'(?!(.*/)?\.)(?!.*(\.jsonl|passport\.json)$).*'):
    """Check sums of the files below ``home`` whose path matches."""
    found = {}
    for folder, _, names in os.walk(home):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), home)
            if re.match(wanted, path):
                with open(os.path.join(home, path), 'rb') as stream:
                    found[path] = hashlib.sha256(stream.read()).hexdigest()
    return found


VERBS = {
    'pretrain': Verb('mmrotate1', 'mtp.pretrain.cli:main', pretrain, tensors),
    'finetune': Verb('mmrotate1', 'mtp.adapters.mmrotate1.cli:train', finetune(False), tensors),
    'finetune03': Verb('mmrotate03', 'mtp.adapters.mmrotate03.cli:train', finetune(True), tensors),
    'test': Verb('mmrotate1', 'mtp.adapters.mmrotate1.cli:test', test(False), submission),
    'test03': Verb('mmrotate03', 'mtp.adapters.mmrotate03.cli:test', test(True), submission),
    'predict': Verb('mmrotate1', 'mtp.predict.__main__:main', predict, files),
    'predict-map': Verb('mmrotate1', 'mtp.predict.__main__:main', predict_map, files),
    'cut': Verb('mmrotate1', 'mtp.tiles.cut:main', cut, files),
    'data-xview': Verb('mmrotate1', 'mtp.data.xview2coco:main', data_xview, files),
    'data-spacenet': Verb('mmrotate1', 'mtp.data.spacenet:main', data_spacenet, files),
    'data-samrs': Verb('mmrotate1', 'mtp.data.samrs2coco:main', data_samrs, files),
    'data-dior': Verb('mmrotate1', 'mtp.data.dior2coco:main', prepared('samrs/dior'), files),
    'data-fair1m': Verb('mmrotate1', 'mtp.data.fair1m:main', prepared('fair1m'), files),
    **{'data-' + name: Verb('mmrotate1', 'mtp.data.patches:main', prepared(folder, name), files)
       for name, folder in (('whu', 'whu_cd'), ('levir', 'levir'), ('oscd', 'oscd'), ('cdd', 'cdd'))},
    'data-loveda': Verb('mmrotate1', 'mtp.data.loveda:flatten', in_place(), files, True),
    **{'data-' + name: Verb('mmrotate1', 'mtp.data.splits:main', in_place(name), files, True)
       for name in ('eurosat', 'resisc45')},
    'data-dotav15': Verb('mmrotate1', 'mtp.data.join:main', in_place('dotav15'), files, True),
}
#: Data set -> the samples that it is a part of, where they have another name.
SAMPLES = {'dior': 'samrs'}
IMPORTS = {'mmrotate1': ('mtp.pretrain.cli', 'mtp.adapters.mmrotate1', 'mtp.adapters.mmrotate1.cli', 'mtp.tiles.cut'),
           'mmrotate03': ('mtp.adapters.mmrotate03', 'mtp.adapters.mmrotate03.cli', 'mtp.adapters.mmrotate03.training')}


def python(env):
    return os.path.join(ROOT, os.environ.get('MTP_VENV_ROOT') or '.venv', env, 'bin', 'python')


def draw(place, verbs):
    """What the verbs read, below ``place``."""
    os.environ.update(MTP_DATA_ROOT=os.path.join(place, 'data'), MTP_WORK_ROOT=os.path.join(place, 'work'))
    tiles = os.path.join(place, 'data', 'demo_dotav1')
    for split in ('train', 'test'):
        tiny.write_tiles(os.path.join(tiles, split), catalogue.get('dotav1').classes[:2], 8)
    for folder in (os.path.join(place, 'data', 'dotav1', 'test', 'images'), os.path.join(place, 'images')):
        tiny.write_whole(folder, 8)
    with open(os.path.join(place, 'submission.py'), 'w', encoding='utf-8') as stream:
        stream.write('_base_ = {!r}\ntest_dataloader = dict(dataset=dict(ann_file=""))\ntest_evaluator = dict(_delete_='
                     'True, type="TileSubmission", dataset="dotav1")\n'.format(
                         os.path.join(ROOT, CONFIG.replace('mtp', 'mmrotate1', 1))))
    for env in {VERBS[name].env for name in verbs if name.startswith(('test', 'predict'))}:
        subprocess.check_call([python(env), '-c', WEIGHTS, os.path.join(place, f'weights-{env}.pth'), CONFIG],
                              cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if 'predict-map' in verbs:
        subprocess.check_call([python('mmrotate1'), '-c', MAP_WEIGHTS, os.path.join(place, 'weights-map.pth')],
                              cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    datasets = [name[len('data-'):] for name in verbs if name.startswith('data-')]
    for kind in sorted({SAMPLES.get(name, name) for name in datasets}):
        subprocess.check_call([python('mmrotate1'), '-m', 'mtp.data.samples', kind, '--out',
                               os.environ['MTP_DATA_ROOT']], cwd=ROOT, stdout=subprocess.DEVNULL)
    if 'pretrain' in verbs:
        for words in (['-m', 'mtp.data.samples', 'samrs', '--images', '6', '--out', os.environ['MTP_DATA_ROOT']],
                      ['scripts/convert_pkl_json.py']):
            subprocess.check_call([python('mmrotate1')] + words, cwd=ROOT, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)


class Trial:
    """One verb, in folders below ``place``."""

    def __init__(self, zygote, name, place, sent='KILL'):
        self.zygote, self.name, self.verb, self.place, self.sent = zygote, name, VERBS[name], place, sent

    def start(self, home, log='said.txt'):
        os.makedirs(os.path.dirname(home), exist_ok=True)
        return self.zygote.start(home + '-' + log, *self.verb.words(home, self.place), call=self.verb.call,
                                 MTP_DATA_ROOT=home if self.verb.data else os.environ['MTP_DATA_ROOT'],
                                 MTP_WORK_ROOT=os.environ['MTP_WORK_ROOT'])

    def home(self, number):
        return os.path.join(self.place, self.name, str(number))

    def undisturbed(self):
        """(what is left, seconds) of a run that nobody kills.

        Raises:
            MTPError: it did not come to its end, or left nothing to compare.
        """
        began = time.monotonic()
        code, said = self.start(self.home('whole')).wait(LONGEST)
        left = self.verb.left(self.home('whole')) if code == OK else {}
        if not left:
            raise MTPError(f'{self.name}: undisturbed it ended with {code}:\n{said[-3000:]}', code=FAILED)
        return left, time.monotonic() - began

    def killed(self, kills, rng) -> Tuple[int, int]:
        """(kills that hit, runs that came to their end and were compared)."""
        left, seconds = self.undisturbed()
        hits, runs, ended = 0, 0, False
        while hits < kills or not ended:
            home, began = self.home(runs), time.monotonic()
            process = self.start(home)
            if hits < kills:
                time.sleep(rng.uniform(0.02, 0.95) * seconds)
                if process.poll() is None:
                    os.killpg(process.pid, signal.Signals['SIG' + self.sent])
                    hits += 1
            code, said = process.wait(LONGEST)
            ended = code == OK
            if ended:  # the first run may have been the slowest, and then nearly every kill comes too late
                seconds = min(seconds, time.monotonic() - began)
            if not ended and (code not in ENDS[self.sent] or 'Traceback' in said):
                raise MTPError(f'{self.name}: after {hits} kills it ended with {code}:\n{said[-3000:]}',
                               code=FAILED)
            if ended:
                self._compare(home, left, hits)
                runs += 1
        return hits, runs

    def _compare(self, home, left, hits):
        found = self.verb.left(home)
        differing = sorted(name for name in set(left) | set(found) if left.get(name) != found.get(name))
        leftovers = [path for path in files(home, '.*') if path.endswith('.tmp')]
        if differing or leftovers:
            raise MTPError('{}: after {} kills {} of {} differ, the first is {}; leftovers: {}; see {}'.format(
                self.name, hits, len(differing), len(left), (differing or ['none'])[0], leftovers, home), code=FAILED)

    def two_at_once(self):
        """Two in one folder: one comes to its end, the other names it."""
        home = self.home('two')
        ends = [process.wait(LONGEST) for process in [self.start(home, 'first.txt'), self.start(home, 'second.txt')]]
        codes = sorted(code for code, _ in ends)
        said = ' '.join(text for code, text in ends if code != OK)
        if codes != [OK, USAGE] or ' is in use: ' not in said or 'Traceback' in said:
            raise MTPError(f'{self.name}: two at once ended with {codes}:\n{said[-2000:]}', code=FAILED)
        self._compare(home, self.verb.left(self.home('whole')), 0)


def main(argv=None):
    """Kill each verb, and start two of each; a line a verb."""
    parser = argparse.ArgumentParser(prog='ci/kills', description=main.__doc__)
    parser.add_argument('verbs', nargs='*', help='{} (default: all)'.format(' '.join(VERBS)))
    parser.add_argument('--kills', type=int, default=10, help='kills of each verb (10)')
    parser.add_argument('--seed', type=int, default=0, help='of the moments')
    parser.add_argument('--signal', choices=sorted(ENDS), default='KILL', help='what is sent (KILL)')
    args = parser.parse_args(argv)
    verbs = args.verbs or list(VERBS)
    unknown = sorted(set(verbs) - set(VERBS))
    if unknown:
        raise MTPError('there is no verb {} here'.format(', '.join(unknown)), hint='ci/kills ' + ' '.join(VERBS))
    with tempfile.TemporaryDirectory(prefix='mtp-kills-') as place:
        draw(place, verbs)
        for env in sorted({VERBS[name].env for name in verbs}):
            with Zygote(python(env), IMPORTS[env]) as zygote:
                for name in [name for name in verbs if VERBS[name].env == env]:
                    trial, began = Trial(zygote, name, place, args.signal), time.monotonic()
                    hits, runs = trial.killed(args.kills, random.Random(args.seed))
                    trial.two_at_once()
                    print(f'{name}: {hits} kills, {runs} runs to the end, all as undisturbed; of two at once one '
                          f'worked and the other said so; {time.monotonic() - began:.0f} s', flush=True)
    return OK


if __name__ == '__main__':
    run_main(main)
