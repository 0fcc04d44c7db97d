"""What is expected of each config: ``configs/results.json`` and the curves. Standard library, Python >= 3.6."""
import json
import os
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from mtp.errors import MTPError
from mtp.launch import configs, ledger

SHARES = ('coco/bbox_mAP_50', 'dota/mAP')  # metrics that the toolboxes give as a share, the paper in percent
REPRODUCED, BELOW, ABOVE = 'reproduced', 'below what was published', 'above what was published'


def expected(env: str, config: str, root: str = ledger.ROOT) -> Dict[str, Any]:
    """The entry of a config: metric, key, judged, published, log, curve, tolerance, reached ...

    An environment that is not of the record is judged by the runs whose configs it shares.

    Args:
        env: environment of the config.
        config: its path.
        root: the checkout.

    Raises:
        MTPError: no number was ever published for it.
    """
    run, known = configs.dataset_and_stem(config), _read(root, 'results.json')['configs']
    published = '/'.join((ledger.published(env),) + run)
    if published not in known:
        raise MTPError(f'no number was published for {config}, so there is nothing to judge it by',
                       hint=f'make finetune CONFIG={config} and make test CONFIG={config}')
    return dict(known[published], name='/'.join((env,) + run))


def all_of(root: str = ledger.ROOT) -> Dict[str, Dict[str, Any]]:
    """The entries of all published runs by name."""
    return _read(root, 'results.json')['configs']


def curve(entry: Mapping[str, Any], root: str = ledger.ROOT) -> Optional[Tuple[Sequence[float], Sequence[float]]]:
    """Steps and losses of the published training run, or None where its log was not published."""
    log = _read(root, 'published_curves.json')['logs'].get(entry['curve'] or '')
    if not log:
        return None
    steps, losses = zip(*log['loss'])
    return steps, losses


def percent(entry: Mapping[str, Any], figures: Optional[Mapping[str, Any]]) -> Optional[float]:
    """The figure that counts among ``figures`` {name: value}, in percent; None when it is not among them.

    Where nothing was found (:func:`nothing_found`) it is 0.
    """
    if nothing_found(entry, figures):
        return 0.
    value = (figures or {}).get(entry['key'])
    return value * 100 if entry['key'] in SHARES and value is not None else value


def nothing_found(entry: Mapping[str, Any], figures: Optional[Mapping[str, Any]]) -> bool:
    """Whether the figure that counts is missing because nothing was found that it could be made of.

    The COCO metric then returns nothing at all; the F1 of a class without one found pixel is 0 / 0, not a number, and
    None in a passport.
    """
    key = entry['key']  # None where a server judges
    if figures == {}:
        return (key or '').startswith('coco/')
    named = figures or {}
    return key in named and named[key] is None


def verdict(entry: Mapping[str, Any], value: Optional[float]) -> Optional[str]:
    """How ``value`` in percent compares with the published one; None where there is nothing to compare."""
    if value is None or entry['published'] is None:
        return None
    difference = value - entry['published']
    if abs(difference) <= entry['tolerance'] + 1e-9:
        return REPRODUCED
    return ABOVE if difference > 0 else BELOW


def _read(root: str, name: str) -> Dict[str, Any]:
    with open(os.path.join(root, 'configs', name), encoding='utf-8') as stream:
        return json.load(stream)
