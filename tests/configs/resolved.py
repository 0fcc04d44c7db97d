"""The published runs as data, and the configs that stand for them, resolved by this environment's own loader."""
import functools
import json
import os

from mtp.launch import configs
from tests import environments

with open(os.path.join(os.path.dirname(__file__), 'published.json'), encoding='utf-8') as _stream:
    RUNS = json.load(_stream)
HERE = [run for run in RUNS if run['env'] == environments.of_the_record()]


def name(run):
    """Short name of a run for a test report."""
    return '{env}/{dataset}/{file}'.format(**run) if isinstance(run, dict) else None  # no run of this environment


def path(run):
    """File of the config, found by what the published guide calls it."""
    found = configs.find('configs/mtp/{dataset}/{file}'.format(**run), env=run['env'], root=environments.ROOT)[1]
    return os.path.join(environments.ROOT, found)


@functools.lru_cache(maxsize=None)
def load(file):
    """The config of ``file`` with its bases merged; nothing of ours is imported."""
    try:
        from mmcv import Config
    except ImportError:
        from mmengine.config import Config
    return Config.fromfile(file, import_custom_modules=False)


def texts(value):
    """Every string inside nested dicts and lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from texts(item)
