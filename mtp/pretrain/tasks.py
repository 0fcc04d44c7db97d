"""Names that every part of pretraining shares: tasks, datasets, and their fixed order."""

TASKS = ('ss', 'is', 'rd')  # semantic segmentation, instance segmentation, rotated detection
DATASETS = ('sota', 'sior', 'fast')  # published order: the key names of the last layers count from 1 in it
CLASS_COUNTS = {'sota': 18, 'sior': 20, 'fast': 37}


def number(dataset):
    """1-based place of ``dataset`` in the published key names (``semseghead_1`` is SOTA's)."""
    return DATASETS.index(dataset) + 1


def in_order(chosen, known):
    """``chosen`` without repeats, in the order of ``known``."""
    return tuple(name for name in known if name in chosen)
