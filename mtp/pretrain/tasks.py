"""Names that every part of pretraining shares: tasks, datasets, and their fixed order."""
from typing import Iterable, Tuple

TASKS = ('ss', 'is', 'rd')  # published order
TITLES = {'ss': 'semantic segmentation', 'is': 'instance segmentation', 'rd': 'rotated detection'}
CAPTIONS = {'ss': 'semantic', 'is': 'instances', 'rd': 'rotated boxes'}  # above a small picture
#: What the mean of a validation is made of, and its key: published.md#validation-of-pretraining.
HEADLINE = {'ss': 'mIoU', 'is': 'mask_AP', 'rd': 'AP50'}
DATASETS = ('sota', 'sior', 'fast')  # published order: the key names of the last layers count from 1 in it
CLASS_COUNTS = {'sota': 18, 'sior': 20, 'fast': 37}


def number(dataset: str) -> int:
    """1-based place of ``dataset`` in the published key names (``semseghead_1`` is SOTA's)."""
    return DATASETS.index(dataset) + 1


def in_order(chosen: Iterable[str], known: Iterable[str]) -> Tuple[str, ...]:
    """``chosen`` without repeats, in the order of ``known``."""
    return tuple(name for name in known if name in chosen)
