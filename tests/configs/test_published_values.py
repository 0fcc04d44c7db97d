"""Every value of the published configs, key by key, stands in ours, or the difference has a reason.

``published_values.json`` holds the values alone, read from the published files themselves by mmengine: what all runs of
a data set share, and what is one run's own. Folders of the authors' machine are cut to their last part.
"""
import json
import os
import re

import pytest

from tests.configs import resolved

with open(os.path.join(os.path.dirname(__file__), 'published_values.json'), encoding='utf-8') as _stream:
    VALUES = json.load(_stream)
ABSENT = '(absent)'

# Variables with which a file is put together: the toolboxes read none of them.
HELPERS = re.compile(
    r'^(train_pipeline|val_pipeline|test_pipeline|backbone|channels|img_norm_cfg|norm_cfg|dataset_type|'
                     r'data_root|crop_size|resize|angle_version|bgr_mean|bgr_std|backend_args|custom_imports|dataset|'
                     r'model_wrapper|vis_backends|data_preprocessor)\b')
CLASSIFICATION = r'mmrotate1/(eurosat|resisc45)'
CHANGE = r'mmrotate1/(cdd|levir|oscd|whu)'
SEGMENTATION = r'mmrotate1/(loveda|spacenetv1)'
SERVER = r'mmrotate1/(dotav1|dotav2|fair1m)'
OLD = r'mmrotate03/.*'
ANY = r'.*'

# (blocks, keys, why ours differs), as regular expressions for the whole name.
REASONS = [
    (ANY, r'.*\.backend_args', 'null, which is the default'),
    (ANY, r'.*\.pretrained', 'below weights/; tests/configs/test_published.py holds its name'),
    (ANY, r'.*\.(data_root|ann_file|img_prefix)', 'below data/; tests/configs hold the folder'),
    (ANY, r'auto_scale_lr\..*', 'images of all processes of the published run; published: the default of a toolbox, or '
                                'none'),
    (ANY, r'optim_wrapper\.type', 'the default, written out'),
    (ANY, r'model\.backbone\.(interval|use_checkpoint|with_cp|frozen_stages)',
     'the default; the value is held elsewhere'),
    (ANY, r'(tiling|window|submission|merge\..*)',
     'ours: how images of a test or a prediction are cut, how results are merged and packed'),
    (CLASSIFICATION, r'randomness\..*', 'the defaults'),
    (CLASSIFICATION, r'train_cfg\.(by_epoch|type)', 'two ways to ask for the loop over epochs'),
    (CLASSIFICATION, r'.*\.dataset\.with_label', 'the default'),
    (CLASSIFICATION, r'.*\.dataset\.type', 'numbers classes by the catalogue, not by a listing of folders'),
    (r'mmrotate1/eurosat', r'.*\.dataset\.data_prefix', 'the folder of a split stands in the prefix, not in the root'),
    (CLASSIFICATION + '|' + CHANGE, r'find_unused_parameters', 'the guide gives it on the command line'),
    (SEGMENTATION, r'log_processor\..*', 'the default, written out'),
    (r'mmrotate1/loveda', r'default_hooks\.visualization\..*', 'one file lacks it; pictures are drawn where they are '
                                                               'asked for'),
    (r'mmrotate1/loveda', r'val_(cfg|dataloader|evaluator)(\.type)?', 'published: a loop without data, which cannot '
                                                                      'start'),
    (r'mmrotate1/loveda', r'test_dataloader\.dataset\.data_prefix\.seg_map_path',
     'the labels of the test are not published'),
    (r'mmrotate1/loveda', r'test_evaluator\.output_dir', 'published on the command line'),
    (r'mmrotate1/spacenetv1', r'.*\.reduce_zero_label', 'the default'),
    (CHANGE, r'default_hooks\.logger\.log_metric_by_epoch', 'true, which is the default'),
    (r'mmrotate1/oscd', r'default_hooks\.visualization\.img_shape', 'null, which is the default'),
    (SERVER, r'test_evaluator\..*', 'merged, packed and checked by the kit in place of the metric of the toolbox'),
    (OLD, r'data\.test_dataloader\.samples_per_gpu', 'ours: a test need not go image by image'),
    (OLD, r'data\.train\.pipeline\[4\]\.(angle_range|angles_range|version)',
     'published names that the toolbox does not have'),
    (r'mmrotate03/fair1m', r'data\.train\.pipeline\[3\]\.(angle_version|version)',
     'a published name that it does not have'),
    (r'mmrotate03/fair1m', r'data\.train\.pipeline\[4\]\.rect_classes', "numbers of DOTA's classes; "
                                                                        "recipe=released_code"),
    (r'mmrotate03/fair1m', r'data\.val\..*', 'published: a folder that the data set does not have'),
    (r'mmrotate03/dotav1', r'optimizer\.constructor', "InternImage with the ViT's rule; recipe=released_code"),
]


def flat(value, prefix=''):
    """``(dotted name, value)`` of every leaf; a list of plain values is one."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f'{prefix}.{key}' if prefix else key)
    elif isinstance(value, (list, tuple)) and any(isinstance(item, (dict, list, tuple)) for item in value):
        for number, item in enumerate(value):
            yield from flat(item, f'{prefix}[{number}]')
    else:
        yield prefix, list(value) if isinstance(value, tuple) else value


def plain(value):
    """A folder of the authors as its last part, written as the extract does."""
    return '…/' + value.rstrip('/').split('/')[-1] if isinstance(value, str) and value.startswith('/') else value


def differences(run):
    """``{key: (published, ours)}`` of a run, helpers left out."""
    own = VALUES['{env}/{dataset}'.format(**run)]
    theirs = dict(own['shared'], **own['runs'][run['file']])
    ours = dict(flat(resolved.load(resolved.path(run))._cfg_dict.to_dict()))
    keys = [key for key in {*theirs, *ours} if not HELPERS.match(key)]
    pairs = {key: (theirs.get(key, ABSENT), plain(ours.get(key, ABSENT))) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def reason(block, key):
    """Why ours differs there, or None."""
    return next((why for blocks, keys, why in REASONS if re.fullmatch(blocks, block) and re.fullmatch(keys, key)), None)


def test_the_extract_holds_every_published_run():
    assert {(block, file) for block, own in VALUES.items() for file in own['runs']} == {
        ('{env}/{dataset}'.format(**run), run['file']) for run in resolved.RUNS}


@pytest.mark.parametrize('run', resolved.HERE, ids=resolved.name)
def test_each_value_is_the_published_one_or_has_a_reason(run):
    block = '{env}/{dataset}'.format(**run)
    assert {key: pair for key, pair in differences(run).items() if not reason(block, key)} == {}


def test_no_reason_is_left_over():
    met = {(block, key) for run in resolved.HERE for block in ['{env}/{dataset}'.format(**run)]
           for key in differences(run)}
    here = [block for block in VALUES if block.split('/')[0] in {run['env'] for run in resolved.HERE}]
    for blocks, keys, _ in REASONS:
        judges = len(here) > 2 if blocks == ANY else any(re.fullmatch(blocks, block) for block in here)
        if not judges:
            continue  # it is for the other environment
        assert any(re.fullmatch(blocks, block) and re.fullmatch(keys, key) for block, key in met), (blocks, keys)


def test_the_two_losses_that_a_table_of_ours_did_not_see_would_be_seen():
    """log_metric_by_epoch was lost in 18 configs and cudnn_benchmark in 24, while all tests were green."""
    for dataset, key, value in (('spacenetv1', 'default_hooks.logger.log_metric_by_epoch', False),
                                ('levir', 'env_cfg.cudnn_benchmark', True)):
        run = next((run for run in resolved.HERE if run['dataset'] == dataset), None)
        if run is None:
            pytest.skip('the runs belong to the other environment')
        assert VALUES['{env}/{dataset}'.format(**run)]['shared'][key] == value
        cfg = resolved.load(resolved.path(run))._cfg_dict.to_dict()
        assert dict(flat(cfg))[key] == value
        assert not reason('{env}/{dataset}'.format(**run), key)
