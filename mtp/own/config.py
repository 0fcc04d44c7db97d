"""The config of a training on one's own data: a short difference against the base blocks, to be read and kept.

Standard library, Python >= 3.6: the launcher asks here which weights a training starts from.
"""
import textwrap
from typing import NamedTuple, Sequence

from mtp import backbones
from mtp.errors import MTPError

FOLDER = 'mmrotate1'  # of configs, whose environments train all tasks
BACKBONES = {entry.block: entry.title for entry in backbones.BACKBONES.values()}
#: Where a training starts -> the file for each backbone.
INITIAL = {
    'mtp': {entry.block: entry.encoder for entry in backbones.BACKBONES.values() if entry.encoder},
    **{init: {entry.block: entry.init[init] for entry in backbones.BACKBONES.values() if init in entry.init}
       for init in ('mae', 'imp')},
    'none': {name: '' for name in BACKBONES},
}
STARTS = {'mtp': 'MTP pretraining', 'mae': 'Million-AID MAE', 'imp': 'ImageNet', 'none': 'random weights'}
MODELS = {'rotated': ('oriented_rcnn', 'Oriented R-CNN'), 'horizontal': ('faster_rcnn', 'Faster R-CNN'),
          'segmentation': ('upernet', 'UPerNet'), 'change': ('unet', 'UNet on the difference'),
          'classification': ('linear', 'a linear classifier')}
CROP = 512  # what segmentation sees of a tile at a time
SIDE_OF_CLASSIFICATION = 224
FEW = 5  # so many classes, and the five best of them say nothing

HEAD = '''\
# {name}: {model} on {backbone_title}, from {start}.
# Written by make finetune DATA=...; it is yours to read, edit and keep.
_base_ = [
    'configs/_base_/{folder}/models/{stem}_{backbone}.py',
    'configs/_base_/{folder}/datasets/own_{task}.py',
]
# The place of a name is the number of its class, in the order of {said_by}. A checkpoint fits this order alone.
classes = (
{names}
)
data_root = '{data}/'
'''
RESIZED = '''\
# tiles of one size, seen as they are
resize = dict(type='{scope}Resize', scale=({side}, {side}), keep_ratio=True)
train_pipeline = [*_base_.train_pipeline[:{place}], resize, *_base_.train_pipeline[{place}:]]
test_pipeline = [_base_.test_pipeline[0], resize, *_base_.test_pipeline[1:]]
dataset = dict(data_root=data_root, metainfo=dict(classes=classes))
'''
BODIES = {
    'rotated': '''\
model = dict(
    {weights},
    roi_head=dict(bbox_head=dict(num_classes={number})))
''' + RESIZED.replace('{scope}', 'mmdet.').replace('{place}', '3') + '''\
train_dataloader = dict(dataset=dict(
    dataset, ann_file='train/annfiles/', data_prefix=dict(img_path='train/images/'), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(
    dataset, ann_file='{val}/annfiles/', data_prefix=dict(img_path='{val}/images/'), pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(
    dataset, ann_file='{test}/annfiles/', data_prefix=dict(img_path='{test}/images/'), pipeline=test_pipeline))
''',
    'horizontal': '''\
model = dict(
    {weights},
    roi_head=dict(bbox_head=dict(num_classes={number})))
''' + RESIZED.replace('{scope}', '').replace('{place}', '2') + '''\
train_dataloader = dict(dataset=dict(
    dataset, ann_file='train.json', data_prefix=dict(img='train/images/'), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(
    dataset, ann_file='{val}.json', data_prefix=dict(img='{val}/images/'), pipeline=test_pipeline))
val_evaluator = dict(ann_file=data_root + '{val}.json')
test_dataloader = dict(dataset=dict(
    dataset, ann_file='{test}.json', data_prefix=dict(img='{test}/images/'), pipeline=test_pipeline))
test_evaluator = dict(ann_file=data_root + '{test}.json')
''',
    'segmentation': '''\
size, crop = ({side}, {side}), ({crop}, {crop})
model = dict(
    data_preprocessor=dict(size=crop),
    {weights},
    decode_head=dict(num_classes={number}),
    test_cfg=dict(crop_size=crop, stride=({stride}, {stride})))
train_pipeline = [
    *_base_.train_pipeline[:2],
    dict(type='RandomResize', scale=size, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=crop, cat_max_ratio=0.75),
    *_base_.train_pipeline[2:]
]
dataset = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(dataset=dict(
    dataset, data_prefix=dict(img_path='train/images', seg_map_path='train/labels'), pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(dataset, data_prefix=dict(img_path='{val}/images', seg_map_path='{val}/labels')))
test_dataloader = dict(dataset=dict(dataset, data_prefix=dict(img_path='{test}/images', seg_map_path='{test}/labels')))
''',
    'change': '''\
model = dict({weights})
dataset = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(dataset=dict(
    dataset, data_prefix=dict(seg_map_path='train/label', img_path_from='train/A', img_path_to='train/B')))
val_dataloader = dict(dataset=dict(
    dataset, data_prefix=dict(seg_map_path='{val}/label', img_path_from='{val}/A', img_path_to='{val}/B')))
test_dataloader = dict(dataset=dict(
    dataset, data_prefix=dict(seg_map_path='{test}/label', img_path_from='{test}/A', img_path_to='{test}/B')))
''',
    'classification': '''\
model = dict({weights}, head=dict(num_classes={number}))
data_preprocessor = dict(num_classes={number})
dataset = dict(data_root=data_root, data_prefix='', metainfo=dict(classes=classes))
train_dataloader = dict(dataset=dict(dataset, ann_file='train.txt'))
val_dataloader = dict(dataset=dict(dataset, ann_file='{val}.txt'))
test_dataloader = dict(dataset=dict(dataset, ann_file='{test}.txt'))
''',
}
TOP_ONE = '''\
val_evaluator = dict(topk=(1, ))
test_evaluator = val_evaluator
'''
#: Images of a step; the least epochs and steps of a training: a small set is gone over more often.
BATCH = {'rotated': 2, 'horizontal': 2, 'segmentation': 2, 'change': 4, 'classification': 8}
LEAST = {'rotated': (12, 3000), 'horizontal': (12, 3000), 'segmentation': (100, 4000), 'change': (100, 3000),
         'classification': (100, 2000)}
MOST_EPOCHS, MOST_STEPS = 300, 80000
COUNTED = '# {images} images in steps of {batch}: {steps} steps an epoch\n'
STEPPED = COUNTED + '''\
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs={epochs}, val_interval={often})
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end={warm}),
    dict(type='MultiStepLR', begin=0, end={epochs}, by_epoch=True, milestones=[{first}, {second}], gamma=0.1)
]
default_hooks = dict(checkpoint=dict(interval={often}, max_keep_ckpts=2))
'''
COSINE = COUNTED + '''\
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs={epochs}, val_interval={often})
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=True, begin=0, end={warm}, convert_to_iter_based=True),
    dict(type='CosineAnnealingLR', T_max={rest}, by_epoch=True, begin={warm}, end={epochs})
]
default_hooks = dict(checkpoint=dict(interval={often}, max_keep_ckpts=2))
'''
BY_STEPS = COUNTED + '''\
train_cfg = dict(type='IterBasedTrainLoop', max_iters={total}, val_interval={often})
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-6, by_epoch=False, begin=0, end={warm}),
    dict(type='CosineAnnealingLR', T_max={rest}, eta_min=0., by_epoch=False, begin={warm}, end={total})
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval={often}, max_keep_ckpts=2))
'''

Facts = NamedTuple('Facts', [  # what a config is written from
    ('name', str),  # of the run
    ('task', str),
    ('backbone', str),
    ('init', str),
    ('classes', Sequence[str]),
    ('side', int),  # of the tiles, pixels
    ('images', int),  # tiles to train on
    ('parts', Sequence[str]),  # that there are
    ('data', str),  # folder of the tiles, short: work_dirs/own/ships/data
    ('said_by', str),  # what says the order of the classes
])


def backbone_called(name: str) -> str:
    """The backbone of this name.

    Raises:
        MTPError: there is none.
    """
    found = backbones.get(name).block if name in backbones.BACKBONES else name
    if found not in BACKBONES:
        raise MTPError('BACKBONE is {!r}; it can be {}'.format(name, ', '.join(BACKBONES)), hint='BACKBONE=rvsa_b')
    return found


def weights(backbone: str, init: str) -> str:
    """The file that a training starts from; '' for none.

    Raises:
        MTPError: this backbone has none of that kind.
    """
    if init not in INITIAL or backbone not in INITIAL[init]:
        fitting = [name for name, files in INITIAL.items() if backbone in files]
        raise MTPError('INIT is {!r}; for {} it can be {}'.format(init, backbone, ', '.join(fitting)),
                       hint=f'INIT={fitting[0]}')
    return INITIAL[init][backbone]


def text(facts: Facts) -> str:
    """The config."""
    stem, title = MODELS[facts.task]
    crop = min(CROP, facts.side)
    names = textwrap.wrap(', '.join(map(repr, facts.classes)) + ',', 116, initial_indent='    ',
                          subsequent_indent='    ', break_long_words=False, break_on_hyphens=False)
    values = dict(facts._asdict(), folder=FOLDER, stem=stem, model=title, backbone_title=BACKBONES[facts.backbone],
                  start=STARTS[facts.init], names='\n'.join(names), number=len(facts.classes), crop=crop,
                  stride=crop * 3 // 4, weights=_backbone(facts, crop),
                  val='val' if 'val' in facts.parts else 'test', test='test' if 'test' in facts.parts else 'val')
    body = BODIES[facts.task] + (TOP_ONE if facts.task == 'classification' and len(facts.classes) <= FEW else '')
    return (HEAD + body).format(**values) + _schedule(facts)


def _backbone(facts: Facts, crop: int) -> str:
    side = {'segmentation': crop, 'classification': SIDE_OF_CLASSIFICATION}.get(facts.task, facts.side)
    path = weights(facts.backbone, facts.init)
    words = [] if facts.backbone.startswith('intern') else [f'img_size={side}']
    words.append(f"pretrained='weights/{path}'" if path else 'pretrained=None')
    return 'backbone=dict({})'.format(', '.join(words))


def _schedule(facts: Facts) -> str:
    """How long, with which rate, and how often it is judged and kept."""
    batch, (epochs, least) = BATCH[facts.task], LEAST[facts.task]
    steps = -(-facts.images // batch)
    epochs = min(MOST_EPOCHS, max(epochs, -(-least // steps)))
    values = dict(images=facts.images, batch=batch, steps=steps, epochs=epochs, often=-(-epochs // 4))
    if facts.task == 'segmentation':
        total = min(MOST_STEPS, max(least, steps * epochs))
        warm = min(1500, total // 10)
        return BY_STEPS.format(**dict(values, total=total, warm=warm, rest=total - warm, often=total // 4))
    if facts.task in ('rotated', 'horizontal'):
        return STEPPED.format(warm=min(500, steps * epochs // 10), first=epochs * 2 // 3, second=epochs * 11 // 12,
                              **values)
    warm = epochs // 20
    return COSINE.format(warm=warm, rest=epochs - warm, **values)
