"""What is expected of each config: ``configs/results.json`` and the curves. Standard library, Python >= 3.6."""
import json
import os

from mtp.errors import MTPError
from mtp.launch import configs, ledger

SHARES = ('coco/bbox_mAP_50', 'dota/mAP')  # metrics that the toolboxes give as a share, the paper in percent
REPRODUCED, BELOW, ABOVE = 'reproduced', 'below what was published', 'above what was published'


def expected(env, config, root=ledger.ROOT):
    """The entry of a config: metric, key, judged, published, log, curve, tolerance, reached ...

    Args:
        env: environment of the config.
        config: its path.
        root: the checkout.

    Raises:
        MTPError: no number was ever published for it.
    """
    name = '/'.join((env,) + configs.dataset_and_stem(config))
    known = _read(root, 'results.json')['configs']
    if name not in known:
        raise MTPError('no number was published for {}, so there is nothing to judge it by'.format(config),
                       hint='make finetune CONFIG={0} and make test CONFIG={0}'.format(config))
    return dict(known[name], name=name)


def curve(entry, root=ledger.ROOT):
    """Steps and losses of the published training run, or None where its log was not published."""
    log = _read(root, 'published_curves.json')['logs'].get(entry['curve'] or '')
    return tuple(zip(*log['loss'])) if log else None


def percent(entry, figures):
    """The figure that counts among ``figures`` {name: value}, in percent; None when it is not among them.

    Where nothing at all was found, the COCO metric returns nothing; where nothing of one class, its figure is not a
    number, and None in a passport. Both count as 0.
    """
    key = entry['key']  # None where a server judges
    if figures == {} and (key or '').startswith('coco/'):
        return 0.
    if key not in (figures or {}):
        return None
    value = figures[key] or 0.
    return value * 100 if key in SHARES else value


def verdict(entry, value):
    """How ``value`` in percent compares with the published one; None where there is nothing to compare."""
    if value is None or entry['published'] is None:
        return None
    difference = value - entry['published']
    if abs(difference) <= entry['tolerance'] + 1e-9:
        return REPRODUCED
    return ABOVE if difference > 0 else BELOW


def _read(root, name):
    with open(os.path.join(root, 'configs', name), encoding='utf-8') as stream:
        return json.load(stream)
