"""``python -m mtp.data.samples``: write tiny sample sets."""
import argparse
import importlib
import os
import sys
from typing import Optional, Sequence

from mtp import locks, numbers
from mtp.data.samples import writing
from mtp.errors import run_main

# name on the command line -> module, function, folder below --out, default number of images
SETS = {
    'samrs': ('samrs', 'write', 'samrs', 24),
    'dota': ('dota', 'write', 'dotav1', 6),
    'dotav15': ('dota', 'write', 'dotav15', 2),
    'dotav2': ('dota', 'write', 'dotav2', 3),  # as v1.5: the same format, and no object of a class that v1.0 lacks
    'fair1m': ('fair1m', 'write', 'fair1m', 6),
    'xview': ('xview', 'write', 'xview', 4),
    'spacenet': ('spacenet', 'write', 'spacenet', 8),
    'loveda': ('loveda', 'write', 'loveda_dataset', 4),
    'whu': ('change', 'write_whu', 'whu_cd', 1),
    'levir': ('change', 'write_levir', 'levir', 2),
    'oscd': ('change', 'write_oscd', 'oscd', 2),
    'cdd': ('change', 'write_cdd', 'cdd', 4),
    'eurosat': ('classes', 'write_eurosat', 'eurosat', 10),
    'resisc45': ('classes', 'write_resisc45', 'nwpu', 5),
}
GROUPS = {'demo': ('samrs', 'dota', 'fair1m'), 'all': tuple(SETS)}


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Write the chosen sets; one line a set says where."""
    parser = argparse.ArgumentParser(prog='python -m mtp.data.samples', description=__doc__)
    parser.add_argument('sets', nargs='+', choices=list(GROUPS) + list(SETS),
                        help='which sets; demo: {}'.format(', '.join(GROUPS['demo'])))
    parser.add_argument('--out', required=True, help='data root to write below (what MTP_DATA_ROOT will name)')
    parser.add_argument('--seed', type=numbers.seed, default=0, help='another seed draws other pictures')
    parser.add_argument('--images', type=numbers.count, help='images for training (default: {})'.format(
        ', '.join(f'{name} {entry[-1]}' for name, entry in SETS.items())))
    parser.add_argument('--overwrite', action='store_true', help='replace sample sets made with other settings')
    options = parser.parse_args(argv)
    for name in dict.fromkeys(member for name in options.sets for member in GROUPS.get(name, (name,))):
        _write(name, options)


def _write(name: str, options: argparse.Namespace) -> None:
    module_name, function, folder_name, default = SETS[name]
    folder = os.path.join(options.out, folder_name)
    settings = {'set': name, 'seed': options.seed, 'images': options.images or default}
    # beside the folder, which is put there whole; other sets may be drawn meanwhile
    with locks.hold_file(folder, 'samples'), writing.sample_folder(folder, settings, options.overwrite) as scratch:
        if scratch is not None:
            module = importlib.import_module('mtp.data.samples.' + module_name)
            getattr(module, function)(scratch, seed=settings['seed'], images=settings['images'])
    print('{}: {} {}'.format(name, 'already in' if scratch is None else 'written to', folder))
    sys.stdout.flush()


if __name__ == '__main__':
    run_main(main)
