"""The one screen of ``make help``, read from the ``##`` comments of the Makefile."""
import os
import re
import textwrap

from mtp.data import catalogue
from mtp.launch.settings import RUNTIMES

_TARGET = re.compile(r'^([a-z%-]+):.*?##\s*(.+)$')
SETTINGS = (
    ('RUNTIME=' + '|'.join(RUNTIMES), 'in what it runs; DRYRUN=1: print the commands alone'),
    ('LAUNCHER=local|slurm  NODES=1 GPUS=1', 'how; GPUS = processes on each node'),
    ('PARTITION=  GRES=gpu:4|dcu:4  SUBMIT=1 TIME_LIMIT=', 'for SLURM; SUBMIT: a batch job that comes back by itself'),
    ('ACCEL=auto|nv|rocm|none  VARIANT=cpu|cu117|cu121', 'which card, which image'),
    ('MTP_DATA_ROOT=  MTP_WEIGHTS_ROOT=  MTP_WORK_ROOT=', 'folders on this machine'),
)


def screen(root: str) -> str:
    """Text of ``make help``: verbs, datasets, settings."""
    lines = ['make VERB [SETTING=value ...]']
    with open(os.path.join(root, 'Makefile'), encoding='utf-8') as stream:
        targets = [match.groups() for match in map(_TARGET.match, stream) if match]
    lines += ['  {:<16} {}'.format(name.replace('%', 'DATASET'), text) for name, text in targets]
    datasets = [name for name in catalogue.names() if catalogue.get(name).task != 'pretraining']
    lines += [''] + textwrap.wrap('DATASET: ' + ' '.join(datasets), 110, initial_indent='  ',
                                  subsequent_indent='           ')
    lines += ['  {:<51} {}'.format(*pair) for pair in SETTINGS]
    return '\n'.join(lines) + '\n'
