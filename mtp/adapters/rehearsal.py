"""The same run in small: a narrow network, small images, a few steps on a few images. For every published config.

What is left as published: task, toolbox, heads, losses, pipelines, optimizer rule, schedule kinds, metric, submission.
What a rehearsal shows is that a run goes through on this machine, not how well it does.
"""
from typing import Any, Dict, Iterator, List, Mapping, Optional, Set, Tuple


EPOCHS, STEPS = 2, 8
IMAGES = 8  # of a split that is judged or trained on; a submission takes all tiles
# Longest side of an image by scope. Classification and change detection test images as they are: theirs stay.
SIDES = {'mmdet': 256, 'mmrotate': 256, 'mmseg': 128}
VIT = dict(embed_dim=64, depth=4, num_heads=2, interval=2, out_indices=[0, 1, 2, 3])
INTERN = dict(channels=16, depths=[1, 1, 1, 1], groups=[1, 2, 4, 8])
VIT_CHANNELS, INTERN_CHANNELS = [64] * 4, [16, 32, 64, 128]
PIXELS = ('scale', 'img_scale', 'crop_size', 'size', 'img_size', 'stride')
# Widths behind the backbone: (key, published value) -> value here.
WIDTHS = {
    ('in_channels', 256): 64, ('out_channels', 256): 64, ('feat_channels', 256): 64, ('fc_out_channels', 1024): 128,
    ('channels', 512): 32, ('channels', 64): 16, ('decoder_channels', (512, 256, 128, 64)): [32, 32, 16, 16],
    ('nms_pre', 2000): 200, ('nms_pre', 1000): 200, ('max_per_img', 2000): 100, ('max_per_img', 1000): 100,
    ('num', 512): 64,
}


def reduce(cfg: Dict[str, Any]) -> None:
    """Make the config ``cfg`` of either generation of the toolboxes small, in place."""
    backbone = cfg['model']['backbone']
    intern = backbone['type'] == 'InternImage'
    _images(cfg)
    _channels(cfg['model'], INTERN_CHANNELS if intern else VIT_CHANNELS)
    _replace(cfg['model'], WIDTHS)
    backbone.update(INTERN if intern else VIT, drop_path_rate=0., pretrained=None)
    rule = (cfg.get('optim_wrapper') or cfg['optimizer'])['paramwise_cfg']
    rule.update(dict(num_layers=4, depths=INTERN['depths']) if intern else dict(num_layers=VIT['depth']))
    if 'data' in cfg:
        _first_generation(cfg)
    else:
        _second_generation(cfg)


def _images(cfg: Dict[str, Any]) -> None:
    side = SIDES.get(cfg.get('default_scope', 'mmrotate'))
    longest = max(value for node in _nodes(cfg) for key, item in node.items() if key in PIXELS for value in _pair(item))
    if side is None or longest <= side:
        return
    # Segmentation tests images in their own size, by a sliding window: there the window shrinks and the scale stays.
    keys = [key for key in PIXELS if key != 'scale' or cfg.get('default_scope') != 'mmseg']
    for node in _nodes(cfg):
        for key in keys:
            small = [max(1, round(value * side / longest)) for value in _pair(node.get(key))]
            if small:
                node[key] = tuple(small) if isinstance(node[key], (tuple, list)) else small[0]


def _pair(value: Any) -> List[int]:
    """The numbers in a size: of (h, w), of one number, or none."""
    values = value if isinstance(value, (tuple, list)) else [value]
    return list(values) if all(isinstance(each, int) and not isinstance(each, bool) for each in values) else []


def _channels(model: Dict[str, Any], channels: List[int]) -> None:
    """Let what stands behind the backbone expect the maps of the small one."""
    for part in ('neck', 'decode_head', 'head'):
        for key in ('in_channels', 'encoder_channels'):
            if key in (model.get(part) or {}):
                model[part][key] = list(channels) if isinstance(model[part][key], (tuple, list)) else channels[-1]


def _replace(tree: Any, table: Mapping[Tuple[str, Any], Any]) -> None:
    for node in _nodes(tree):
        for key, value in node.items():
            known = (key, tuple(value) if isinstance(value, list) else value)
            if isinstance(value, (int, list, tuple)) and _hashable(known) and known in table:
                node[key] = table[known]


def _hashable(value: Any) -> bool:
    try:
        hash(value)
        return True
    except TypeError:
        return False


def _nodes(tree: Any, seen: Optional[Set[int]] = None) -> Iterator[Dict[str, Any]]:
    """Every dict in nested dicts, lists and tuples, outer ones first; one that stands in two places once."""
    seen = set() if seen is None else seen
    if not isinstance(tree, (dict, list, tuple)) or id(tree) in seen:
        return
    seen.add(id(tree))
    if isinstance(tree, dict):
        yield tree
    for item in list(tree.values() if isinstance(tree, dict) else tree):
        yield from _nodes(item, seen)


def _second_generation(cfg: Dict[str, Any]) -> None:
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader:
            loader.update(batch_size=min(loader['batch_size'], 4), num_workers=0, persistent_workers=False)
            if name != 'test_dataloader' or cfg['test_evaluator']['type'] != 'TileSubmission':
                _limit(loader['dataset'])
    if cfg['default_scope'] == 'mmseg':  # what is pooled to one pixel is normalised over the images
        cfg['train_dataloader']['batch_size'] = 2
    loop, keep = cfg['train_cfg'], dict(interval=1)
    if 'max_epochs' in loop:
        loop.update(max_epochs=EPOCHS, val_interval=1)
    else:
        loop.update(max_iters=STEPS, val_interval=STEPS)
        keep = dict(interval=STEPS // 2)
    cfg['default_hooks']['checkpoint'].update(keep)
    cfg['default_hooks']['logger']['interval'] = 1
    for rule in cfg['param_scheduler']:
        if not rule['by_epoch']:  # a warm-up of 500 or 1500 steps would be all there is
            key = 'end' if rule['type'] == 'LinearLR' else 'begin'
            rule[key] = min(rule.get(key, 0), 2)
    cfg['randomness'] = dict(seed=0)


def _limit(dataset: Dict[str, Any]) -> None:
    for each in dataset.get('datasets') or [dataset]:
        each['indices'] = IMAGES


def _first_generation(cfg: Dict[str, Any]) -> None:
    cfg['data'].update(samples_per_gpu=2, workers_per_gpu=0, test_dataloader=dict(samples_per_gpu=4))
    for split in ('train', 'val'):
        if split in cfg['data']:
            cfg['data'][split]['indices'] = IMAGES
    cfg['runner']['max_epochs'] = EPOCHS
    cfg['checkpoint_config']['interval'] = cfg['evaluation']['interval'] = cfg['log_config']['interval'] = 1
    cfg['lr_config']['warmup_iters'] = 2
