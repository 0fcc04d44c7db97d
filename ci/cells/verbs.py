"""What a user types, each at its smallest: one :class:`Case` a verb, or several where one verb has several kinds.

A new verb is an entry here, or in ELSEWHERE with the reason why it is no cell. ``tests/ci/test_matrix.py`` asks.
"""
import os
import re
from typing import Mapping, NamedTuple, Tuple

from mtp.data import catalogue
from mtp.launch import configs

Case = NamedTuple('Case', [
    ('name', str),
    ('verb', str),  # behind make; '' for a line of the pages that is no verb
    ('words', Mapping[str, str]),  # its settings; {data}, {weights}, {work} stand for folders of the host
    ('typed', str),  # the same by hand, in the image, after python; '' where nobody types it
    ('env', str),  # in which environment it runs
    ('needs', Tuple[str, ...]),  # cases whose native cell comes first, for what they leave
    ('leaves', str),  # pattern of a file below the work folder that has to be there afterwards
    ('gives', str),  # name under which that file is laid into the weights for the cases that need it
    ('changes', str),  # folder of the samples that it works in; '' where data are only read
    ('pairs', bool),  # it can run in two processes
    ('seconds', int),  # what it takes natively, in one process
    ('only', str),  # name of the one runtime that it runs in; '' for all
])
Case.__new__.__defaults__ = ('', 'mmrotate1', (), '', '', '', False, 10, '')

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Folder of the samples of a data set below the data root, where it is not its name.
FOLDERS = dict(dict.fromkeys(('sota', 'sior', 'fast', 'dior', 'diorr'), 'samrs'), spacenetv1='spacenet',
               loveda='loveda_dataset', whu='whu_cd', resisc45='nwpu')
SMALL = 'BACKBONE=vit_t_rvsa IMAGE_SIZE=64 END_ITER=2 INTERVAL=2 WORKERS=0 SAVE_PATH=work_dirs/pretrain'
ONCE = '--rehearse --cfg-options train_cfg.max_epochs=1'
DEMO = 'demo/oriented_rcnn_rvsa_t_256_mtp_dotav1'
DEMO_STEPS = '--cfg-options train_cfg.max_iters=2 default_hooks.checkpoint.interval=2'
STEPS = '--rehearse --cfg-options train_cfg.max_iters=2 default_hooks.checkpoint.interval=2'
EUROSAT = 'eurosat/vit-rvsa-b-224-mae-mtp_eurosat'
FAIR1M = 'fair1m/oriented_rcnn_rvsa_b_800_mae_mtp_fair1m20'
SPACENET = 'spacenetv1/rvsa-b-upernet-384-mae-mtp-spacenetv1'
WHU = 'whu/rvsa-b-unet-256-mae-mtp_whu'
LATER = 'nwpu/NWPU-RESISC45/overpass/overpass_002.jpg'
PICTURE = 'nwpu/NWPU-RESISC45/overpass/overpass_001.jpg'  # of one window
DOTA = 'dotav1/oriented_rcnn_rvsa_b_1024_mae_mtp_dota10'
# One data set a toolbox and task; a key is the name of a dataset block.
REHEARSED = {'mmrotate1/eurosat': 35, 'mmrotate1/dior': 50, 'mmrotate1/diorr': 55, 'mmrotate1/spacenetv1': 50,
             'mmrotate1/whu': 45, 'mmrotate03/dotav1': 60}

# It runs on parts of our own, so all its 24 runs are rehearsed, natively by ci/rehearse.
CHANGE = tuple(name for name in catalogue.names() if catalogue.get(name).task == 'change detection')


def cases():
    """Every :class:`Case`, those that others need before them."""
    return _whole() + _data() + _training() + _testing() + _reproducing()


def _settings(text):
    return dict(word.split('=', 1) for word in text.split())


def _whole():
    """What needs nothing but the checkout."""
    return [Case('check', 'check', {'ENV': 'mmrotate1', 'ARGS': 'tests/test_paths.py tests/boxes/test_iou.py'},
                 seconds=15),
            Case('demo', 'demo', {}, leaves='demo/index.html', seconds=330),
            Case('samples', 'samples', {'ARGS': '--images 4'}, '-m mtp.data.samples all --out /work/samples --images 4',
                 leaves='samples/*/sample_set.json', seconds=30)]


def _data():
    """The preparation of every data set, from a copy of its samples."""
    found = []
    for name in catalogue.names():
        typed = ' && python '.join(line[len('python '):] for line in catalogue.get(name).prepare)
        found.append(Case('data-' + name, 'data-' + name, {'ARGS': '--any-count'}, typed, needs=('samples',),
                          changes=FOLDERS.get(name, name), seconds=6))
    return found


def _training():
    tune = '{} --work-dir=/work/run --launcher={{launcher}} '
    return [
        Case('pretrain', 'pretrain', _settings(SMALL),
             'main_pretrain.py --backbone vit_t_rvsa --tasks ss is rd --datasets sota sior fast --batch_size 3 '
             '--workers 0 --save_path /work/pretrain --distributed {distributed} --end_iter 2 --image_size 64 '
             '--init_backbone none --interval 2', needs=('data-sota', 'data-sior', 'data-fast'),
             leaves='pretrain/passport.json', gives='pretrain.json', pairs=True, seconds=15),
        Case('finetune', 'finetune', {'CONFIG': f'configs/mtp/{EUROSAT}.py', 'ARGS': ONCE},
             'tools/train.py ' + tune.format(f'configs/mtp/{EUROSAT}.py') + ONCE, needs=('data-eurosat',),
             leaves='*/eurosat/*/epoch_1.pth run/epoch_1.pth', gives='eurosat.pth', pairs=True, seconds=12),
        Case('finetune-fair1m', 'finetune-fair1m', {'CONFIG': f'configs/mmrotate1/{FAIR1M}.py', 'ARGS': ONCE},
             'tools/train.py ' + tune.format(f'configs/mtp/{FAIR1M}.py') + ONCE, needs=('data-fair1m',),
             leaves='*/fair1m/*/epoch_1.pth run/epoch_1.pth', gives='fair1m.pth', pairs=True, seconds=20),
        Case('finetune-mmrotate03', 'finetune', {
            'CONFIG': f'configs/mmrotate03/{DOTA}.py', 'ENV': 'mmrotate03',
            'ARGS': ONCE.replace('train_cfg', 'runner')},
             'tools/train.py ' + tune.format(f'configs/mmrotate03/{DOTA}.py') +
             ONCE.replace('train_cfg', 'runner'), env='mmrotate03', needs=('data-dotav1',),
             leaves='*/dotav1/*/epoch_1.pth run/epoch_1.pth', gives='dotav1.pth', pairs=True, seconds=20),
        Case('tiles', '', {}, '-m mtp.tiles.cut --preset demo_ms --images data/dotav1/train/images --labels '
             'data/dotav1/train/labelTxt --out data/demo_dotav1/train',
             needs=('samples',), changes='dotav1', seconds=4),
        Case('finetune-demo', 'finetune', {'CONFIG': f'configs/mmrotate1/{DEMO}.py', 'ARGS': DEMO_STEPS},
             'tools/train.py ' + tune.format(f'configs/mmrotate1/{DEMO}.py') + DEMO_STEPS, needs=('tiles',),
             leaves='*/demo/*/iter_2.pth run/iter_2.pth', gives='demo.pth', pairs=True, seconds=14),
        Case('finetune-own', 'finetune', {'DATA': '{data}/eurosat/2750', 'TASK': 'classification', 'INIT': 'none',
                                          'ARGS': ONCE},
             needs=('samples',), leaves='own/*/train/predict/passport-test.json', pairs=True, seconds=45),
        Case('finetune-spacenetv1', 'finetune', {'CONFIG': f'configs/mtp/{SPACENET}.py', 'ARGS': STEPS},
             needs=('data-spacenetv1',), leaves='*/spacenetv1/*/iter_2.pth', gives='spacenetv1.pth', seconds=20),
        Case('finetune-whu', 'finetune', {'CONFIG': f'configs/mtp/{WHU}.py', 'ARGS': ONCE},
             needs=('data-whu',), leaves='*/whu/*/epoch_1.pth', gives='whu.pth', seconds=20),
        Case('replay', 'replay', {'PASSPORT': '{weights}/pretrain.json', 'OUT': 'work_dirs/replay'},
             needs=('pretrain',), leaves='replay/passport.json', seconds=15),
    ]


def _testing():
    found = [
        Case('test', 'test', {'CONFIG': f'configs/mtp/{EUROSAT}.py', 'CHECKPOINT': '{weights}/eurosat.pth',
                              'ARGS': '--rehearse'},
             'tools/test.py configs/mtp/{}.py /weights/eurosat.pth --work-dir=/work/predict --launcher={{launcher}} '
             '--rehearse'.format(EUROSAT), needs=('data-eurosat', 'finetune'),
             leaves='*/eurosat/*/predict/passport-test.json predict/passport-test.json', pairs=True),
        Case('predict', 'predict', {
            'CONFIG': f'configs/mmrotate1/{DEMO}.py', 'CHECKPOINT': '{weights}/demo.pth',
            'IMAGES': f"'{{data}}/{PICTURE}'", 'ARGS': '--score-thr 0.01'},
             f'-m mtp.predict /data/{PICTURE} --config configs/mmrotate1/{DEMO}.py --checkpoint /weights/demo.pth '
             '--out /work/predict --score-thr 0.01', needs=('finetune-demo',),
             leaves='predict/coco.json', pairs=True, seconds=15),
        Case('predict-scenes', 'predict', {
            'CONFIG': 'configs/mtp/{}.py'.format(EUROSAT), 'CHECKPOINT': '{weights}/eurosat.pth',
            'IMAGES': "'{{data}}/{}'".format(PICTURE), 'ARGS': '--rehearse'},
             '-m mtp.predict /data/{} --config configs/mtp/{}.py --checkpoint /weights/eurosat.pth --out /work/predict '
             '--rehearse'.format(PICTURE, EUROSAT), needs=('finetune',), leaves='predict/scenes.csv', pairs=True,
             seconds=15),
        Case('predict-map', 'predict', {
            'CONFIG': f'configs/mtp/{SPACENET}.py', 'CHECKPOINT': '{weights}/spacenetv1.pth',
            'IMAGES': f"'{{data}}/{PICTURE}'", 'ARGS': '--rehearse'},
             f'-m mtp.predict /data/{PICTURE} --config configs/mtp/{SPACENET}.py --checkpoint /weights/spacenetv1.pth '
             '--out /work/predict --rehearse', needs=('finetune-spacenetv1',),
             leaves='predict/overpass_001.tif', pairs=True, seconds=15),
        Case('predict-changes', 'predict', {
            'CONFIG': 'configs/mtp/{}.py'.format(WHU), 'CHECKPOINT': '{weights}/whu.pth',
            'BEFORE': "'{{data}}/{}'".format(PICTURE), 'AFTER': "'{{data}}/{}'".format(LATER), 'ARGS': '--rehearse'},
             '-m mtp.predict --before /data/{} --after /data/{} --config configs/mtp/{}.py --checkpoint '
             '/weights/whu.pth --out /work/predict --rehearse'.format(PICTURE, LATER, WHU), needs=('finetune-whu',),
             leaves='predict/overpass_001.tif', pairs=True, seconds=15),
    ]
    for name, config, data in (('fair1m', FAIR1M, 'fair1m'), ('dota', DOTA, 'dotav1')):
        config = f'configs/mmrotate03/{config}.py'
        made = {'fair1m': 'finetune-fair1m', 'dota': 'finetune-mmrotate03'}[name]
        found.append(Case(
            'test-' + name, 'test-' + name, {'CONFIG': config, 'CHECKPOINT': f'{{weights}}/{data}.pth',
                                             'ARGS': '--rehearse'},
            f'tools/test.py {config} /weights/{data}.pth --format-only --show-dir=/work/predict/show --eval-options '
            'submission_dir=/work/predict/submit --launcher={launcher} --rehearse',
            env='mmrotate03', needs=('data-' + data, made), pairs=True, seconds=25,
            leaves=f'*/{data}/*/predict/submit/*.zip predict/submit/*.zip'))
    return found


def _reproducing():
    return [Case('reproduce-' + block.split('/')[1], 'reproduce', {'CONFIG': leaf(block), 'DATA': 'samples'},
                 env=block.split('/')[0], leaves='rehearsal/*/*/*/reproduction.json', pairs=True, seconds=seconds)
            for block, seconds in REHEARSED.items()] + _change()


def _change(root=ROOT):
    """The other runs of change detection: by turns in docker and in apptainer, each kind of network in both."""
    found = [each for each in configs.leaves(root) if each.env == 'mmrotate1' and each.dataset in CHANGE]
    paths = [(number, each, configs.leaf_path(each)) for number, each in enumerate(found)]
    return [Case('{}-{}'.format(each.dataset, re.sub(r'-unet-\d+|_.*', '', each.stem)), 'reproduce',
                 {'CONFIG': path, 'DATA': 'samples'}, leaves='rehearsal/*/*/*/reproduction.json', seconds=30,
                 only=('docker', 'apptainer + SLURM')[number % 2])
            for number, each, path in paths if path not in map(leaf, REHEARSED)]


def leaf(block, root=ROOT):
    """Path of the RVSA-B leaf, from MTP pretraining, of a block such as ``mmrotate1/eurosat``."""
    for each in configs.leaves(root):
        plain = each.stem.replace('-', '_')
        if f'{each.env}/{each.dataset}' == block and 'rvsa_b_' in plain and '_mae_mtp' in plain:
            return configs.leaf_path(each)
    raise ValueError(block)


# Verbs that are no cells, alone or before a data set: why, and the file that runs them, with words that stand there.
ELSEWHERE = {
    'help': ('prints and ends', 'tests/launch/test_main.py', 'help'),
    'setup': ('makes what the native cells run in', '.ci/run', 'make setup'),
    'images': ('makes what the docker cells run in', '.ci/run', 'ci/images'),
    'sif': ('makes what the apptainer cells run in', 'ci/sifs.py', 'apptainer'),
    'bundle': ('a part of the building of images', 'ci/images.py', "make('bundle'"),
    'verify-bundle': ('a part of the building of images', 'ci/images.py', "make('verify-bundle'"),
    'lock': ('writes into the checkout: that is what it is for', 'tests/launch/test_lock.py', 'lock'),
    'doctor': ('judges and runs nothing; the cluster has its own check', '.ci/run', 'make doctor'),
    'weights': ('looks on the host, whatever the runtime', 'tests/weights/test_main.py', 'mtp.weights'),
    'browse': ('shows what other verbs have left: the demo ends with it, whatever the runtime', 'mtp/demo/stages.py',
               "'mtp.browse'"),
    'fetch': ('asks the publishers, whom no test machine reaches', 'tests/data/test_fetching.py', 'fetching'),
    'bench': ('measures, for hours', 'tests/launch/test_bench.py', 'bench'),
    'status': ('SLURM alone', 'ci/checks_runs.py', "front.made('status'"),
    'logs': ('SLURM alone', 'ci/checks_runs.py', "front.made('logs'"),
    'cluster-up': ('docker alone', '.ci/run', 'ci/cluster'),
    'cluster-down': ('docker alone', '.ci/run', 'ci/cluster'),
}
