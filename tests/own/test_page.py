"""docs/own-data.md: each of its examples, on drawn images, up to the config; two of them train and test."""
import json
import os
import re
import subprocess
import sys

import pytest

from mtp.own import __main__ as own
from mtp.own import classes, config
from tests import environments
from tests.own import drawn

PAGE = os.path.join(environments.ROOT, 'docs', 'own-data.md')
#: The folders of the page, as it describes them.
FOLDERS = {'ships': drawn.geojson, 'wells': drawn.yolo, 'landcover': drawn.masks, 'flood': drawn.pairs,
           'scenes': drawn.kinds}
MADE = {'rotated': 'train/annfiles/scene_{}__96__0___0.txt', 'horizontal': 'train.json',
        'segmentation': 'train/labels/scene_{}__96__0___0.png', 'change': 'train/label/scene_{}__96__0___0.png',
        'classification': 'train.txt'}


def examples():
    """(name of the folder, task, backbone) of every ``make finetune `` on the page."""
    with open(PAGE, encoding='utf-8') as stream:
        lines = re.findall(r'^make finetune (.*?)(?:#|$)', stream.read(), re.M)
    for line in lines:
        words = dict(word.split('=') for word in line.split())
        yield os.path.basename(words['DATA']), words['TASK'], words['BACKBONE']


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Folders of the page, and a work folder with what is made of each."""
    home = tmp_path_factory.mktemp('own')
    patch = pytest.MonkeyPatch()
    patch.setenv('MTP_WORK_ROOT', str(home / 'work'))
    for name, task, backbone in dict.fromkeys(examples()):
        FOLDERS[name](str(home / name))
        own.main(['prepare', str(home / name), '--task', task, '--backbone', backbone, '--out',
                  'work_dirs/own/' + task, '--jobs', '1'])
    yield home
    patch.undo()


def run_of(place, task):
    return str(place / 'work' / 'own' / task)


def test_there_is_an_example_a_task_and_a_layout_a_line():
    assert {task for _, task, _ in examples()} == set(MADE) == set(config.MODELS)
    with open(PAGE, encoding='utf-8') as stream:
        text = stream.read()
    assert all(f'| `{layout.name}` |' in text for layout in own.layouts.LAYOUTS)


@pytest.mark.parametrize('task', MADE)
def test_an_example_leads_to_a_config_and_to_data(place, task):
    run = run_of(place, task)
    with open(os.path.join(run, 'split.csv')) as stream:
        rows = dict(line.rsplit(',', 1) for line in stream.read().splitlines()[1:])
    number = next(name for name in sorted(rows) if rows[name] == 'train').split('_')[-1].split('.')[0]
    assert os.path.getsize(os.path.join(run, 'data', MADE[task].format(number)))
    known = classes.of_config(os.path.join(run, 'config.py'))
    assert known == {'segmentation': ('background',) + drawn.CLASSES, 'change': ('unchanged', 'changed')}.get(
        task, drawn.CLASSES)


@pytest.mark.parametrize('task', MADE)
def test_the_same_command_again_changes_nothing(place, task, capsys):
    name, backbone = next((name, backbone) for name, each, backbone in examples() if each == task)
    path = os.path.join(run_of(place, task), 'config.py')
    before = open(path, encoding='utf-8').read(), os.stat(path).st_mtime_ns
    own.main(['prepare', str(place / name), '--task', task, '--backbone', backbone, '--out', 'work_dirs/own/' + task])
    assert 'kept as it is' in capsys.readouterr().out
    assert before == (open(path, encoding='utf-8').read(), os.stat(path).st_mtime_ns)


def test_the_toolboxes_read_every_config_and_its_data(place):
    pytest.importorskip('mmengine')
    script = '''
import json, sys
from mmengine.registry import init_default_scope, DATASETS
from mtp import paths
import mtp.adapters.mmrotate1
from mmengine.config import Config
for path in sys.argv[1:]:
    cfg = Config.fromfile(path)
    init_default_scope(cfg.default_scope)
    for name in ('train', 'val', 'test'):
        said = paths.resolve_tree(cfg[name + '_dataloader'].dataset.to_dict())
        dataset = DATASETS.build(said)
        item = dataset[0]
        print(json.dumps([path, len(dataset), list(dataset.metainfo['classes'])]))
'''
    configs = [os.path.join(run_of(place, task), 'config.py') for task in MADE]
    done = subprocess.run([sys.executable, '-c', script] + configs, cwd=environments.ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('[')]
    assert [(path, count) for path, count, _ in rows] == [(path, count) for path in configs for count in (8, 2, 2)]
    assert all(tuple(names) == classes.of_config(path) for path, _, names in rows)


@pytest.mark.parametrize('task, option, figure', [
    ('classification', 'train_cfg.max_epochs=1', 'accuracy/top1'),
    ('segmentation', 'train_cfg.max_iters=2 default_hooks.checkpoint.interval=2', 'mIoU')])
def test_an_example_trains_and_is_judged(place, task, option, figure):
    pytest.importorskip('mmengine')
    run = run_of(place, task)
    small = ['--rehearse', '--cfg-options'] + option.split()
    config_path, folder = os.path.join(run, 'config.py'), os.path.join(run, 'train')
    before = open(config_path, encoding='utf-8').read()
    for words in (['tools/train.py', config_path, '--work-dir=' + folder],
                  ['tools/test.py', config_path, None, '--work-dir=' + folder + '/predict']):
        words = [word or os.path.join(folder, next(name for name in os.listdir(folder) if name.endswith('.pth')))
                 for word in words]
        done = subprocess.run([sys.executable] + words + small, cwd=environments.ROOT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True)
        assert done.returncode == 0, done.stdout[-3000:]
    with open(os.path.join(folder, 'predict', 'passport-test.json'), encoding='utf-8') as stream:
        assert json.load(stream)['metrics'][figure] is not None
    assert open(config_path, encoding='utf-8').read() == before


def test_classes_stay_those_of_the_config(place):
    """Another table in the folder does not renumber what a checkpoint knows."""
    run = run_of(place, 'horizontal')
    with open(str(place / 'wells' / 'data.yaml'), 'r+') as stream:
        text = stream.read()
        stream.seek(0)
        stream.write(text.replace("['plane', 'ship']", "['ship', 'plane']"))
    try:
        from mtp.errors import MTPError
        with pytest.raises(MTPError, match='was made from other files'):  # labels that are swapped are other labels
            own.main(['prepare', str(place / 'wells'), '--task', 'horizontal', '--out', 'work_dirs/own/horizontal'])
        assert classes.of_config(os.path.join(run, 'config.py')) == drawn.CLASSES
    finally:
        with open(str(place / 'wells' / 'data.yaml'), 'w') as stream:
            stream.write(text)
