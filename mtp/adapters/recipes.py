"""The recipe of a fine-tuning or a test: ``paper`` (default), or what the released configs and code would have done.

``--cfg-options recipe=released_code``, or such a line in a config, puts back what was odd and could run, and says all
of it. The published numbers were got so; it matters for InternImage most.
"""
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from mtp.errors import MTPError

RECIPES = ('paper', 'released_code')


class Oddity(NamedTuple):
    """Something in which a released config is not ours.

    Attributes:
        fact: heading of docs/published.md that tells it.
        has: function of a resolved config (dict): whether it has the oddity.
        says: one sentence for the user.
        change: function that puts it back into the config; None where it is no setting, or nothing could have run.
    """
    fact: str
    has: Callable[[Dict[str, Any]], bool]
    says: str
    change: Optional[Callable[[Dict[str, Any]], None]] = None


def apply(cfg: Dict[str, Any], recipe: str) -> List[str]:
    """Make the resolved config ``cfg`` (a dict, of either generation) that of ``recipe``, in place.

    Returns:
        Sentences for the user; none for ``paper``.

    Raises:
        MTPError: no such recipe.
    """
    if recipe not in RECIPES:
        raise MTPError(f'recipe {recipe!r} is unknown', hint='take one of: ' + ', '.join(RECIPES))
    cfg['recipe'] = recipe
    found = [oddity for oddity in ODDITIES if recipe == 'released_code' and oddity.has(cfg)]
    for oddity in found:
        if oddity.change:
            oddity.change(cfg)
    return [f'released code: {oddity.says} (docs/published.md#{oddity.fact})' for oddity in found]


def _old(cfg: Dict[str, Any]) -> bool:
    return 'data' in cfg


def _is_intern(cfg: Dict[str, Any]) -> bool:
    return cfg['model']['backbone']['type'] == 'InternImage'


def _takes_the_rule_of_vit(cfg: Dict[str, Any]) -> bool:
    return _old(cfg) and _is_intern(cfg) and _type(cfg) == 'DOTADataset'


def _type(cfg: Dict[str, Any]) -> Optional[str]:
    """Type of the data set of the test."""
    holder = cfg['data'].get('test') if _old(cfg) else (cfg.get('test_dataloader') or {}).get('dataset')
    return (holder or {}).get('type')


def _ends_in_a_submission(cfg: Dict[str, Any]) -> bool:
    judge = cfg.get('test_evaluator')
    return isinstance(judge, dict) and judge.get('type') == 'TileSubmission'


def _rule(cfg: Dict[str, Any]) -> Dict[str, Any]:
    """What holds constructor and settings of the optimizer's rule."""
    return cfg['optimizer'] if _old(cfg) else cfg['optim_wrapper']


def _no_decay(cfg: Dict[str, Any]) -> None:
    _rule(cfg)['paramwise_cfg']['recipe'] = 'released_code'


def _rule_of_vit(cfg: Dict[str, Any]) -> None:
    _rule(cfg)['constructor'] = 'LayerDecayOptimizerConstructor_ViT'


def _published_offsets(cfg: Dict[str, Any]) -> None:
    cfg['model']['backbone']['recipe'] = 'released_code'


def _classes_of_dota(cfg: Dict[str, Any]) -> None:
    for step in cfg['data']['train']['pipeline']:
        if step['type'] == 'PolyRandomRotate':
            step['rect_classes'] = [9, 11]


ODDITIES = (
    Oddity('decay-of-internimage', lambda cfg: _is_intern(cfg) and not _takes_the_rule_of_vit(cfg),
           'the learning rate of InternImage decays towards no layer, as its rule looks for names in pretraining',
           _no_decay),
    Oddity('rule-of-the-vit', _takes_the_rule_of_vit,
           'InternImage takes the rule of the ViT, which slows its stem and no other layer', _rule_of_vit),
    Oddity('window-offsets', lambda cfg: not _is_intern(cfg),
           'where a map is not square, windows are moved along x by rows and along y by columns', _published_offsets),
    Oddity('classes-of-dota', lambda cfg: _old(cfg) and _type(cfg) == 'FAIR1Mv2Dataset',
           "Boeing777 and Bridge turn by right angles only, as they have the numbers of DOTA's directionless classes",
           _classes_of_dota),
    Oddity('old-pipelines', _old,
           'training could not begin, as arguments of PolyRandomRotate (in FAIR1M of RRandomFlip too) had '
           'other names; here they have the right ones'),
    Oddity('validation-of-fair1m', lambda cfg: _old(cfg) and _type(cfg) == 'FAIR1Mv2Dataset',
           'validation would have read test/annfiles, which the data set does not have; here there is none'),
    Oddity('loveda-validation', lambda cfg: not _old(cfg) and _type(cfg) == 'LoveDADataset',
           'training could not begin, as val_cfg stood without a data set; here there is no validation'),
    Oddity('rounded-scores', _ends_in_a_submission,
           'scores in a submission were rounded to two digits; here they keep them all'),
)
