"""How far every environment of this machine is from the golden numbers: networks, thirty losses, a set of detections.

    python ci/bench/drift.py [PYTHON ...]     the native environments, and further Pythons that have our packages

All compute on the CPU in fp32. A difference is relative to the largest expected value; of detections it is told in
pixels and as a score. The table stands in docs/drift.md.
"""
import argparse
import importlib.util
import json
import os
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir))
sys.path[:0] = [ROOT, os.path.join(ROOT, 'ci')]

from mtp.launch import ledger  # noqa: E402

HEAD = ('environment', 'torch', 'golden networks', 'thirty losses', 'detections: pixels', 'detections: scores')
WANTS = {'networks': 'torch', 'losses': 'mmcv', 'detections': 'mmcv'}


def here():
    """The figures of this Python; what it has no packages for is None."""
    import gpu_numbers as numbers
    import torch
    found = {'torch': torch.__version__, 'environment': 'no toolbox', 'pixels': None, 'scores': None}
    for name, package in WANTS.items():
        found[name] = None
        if importlib.util.find_spec(package):
            try:
                figures = getattr(numbers, name)('cpu')
            except numbers.NotHere:
                continue
            found[name] = max(figure.value for figure in figures)
            found.update((f.what, f.value) for f in figures if f.what in ('objects', 'pixels', 'scores'))
    if importlib.util.find_spec('mmcv'):
        from mtp.adapters import environment
        found['environment'] = environment.name()
    if found.get('objects'):
        found['pixels'] = found['scores'] = float('inf')  # another number of objects is no small difference
    return found


def pythons():
    """The interpreters of the native environments that are set up."""
    folder = os.path.join(ROOT, os.environ.get('MTP_VENV_ROOT') or '.venv')
    found = [os.path.join(folder, name, 'bin', 'python') for name in ledger.names()]
    return [path for path in found if os.path.exists(path)]


def row(found):
    """A row of the table."""
    values = [found[name] for name in ('networks', 'losses', 'pixels', 'scores')]
    name = found['environment']
    further = ', not for the record' if name in ledger.names() and ledger.standing(name) else ''
    texts = [name + further, found['torch']] + ['–' if v is None else f'{v:.1e}' for v in values]
    return '| {} |'.format(' | '.join(texts))


def main(words=None):
    """Print the table; each environment computes in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('pythons', nargs='*', metavar='PYTHON', help='further interpreters')
    parser.add_argument('--here', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.here:
        print(json.dumps(here()))
        return
    print('| {} |\n|{}'.format(' | '.join(HEAD), '---|' * len(HEAD)), flush=True)
    worst = 0.
    for python in pythons() + args.pythons:
        said = subprocess.run([python, os.path.abspath(__file__), '--here'], check=True, stdout=subprocess.PIPE,
                              encoding='utf-8', cwd=ROOT).stdout
        found = json.loads(said.strip().split('\n')[-1])
        print(row(found), flush=True)
        worst = max([worst] + [found[name] for name in ('networks', 'losses') if found[name] is not None])
    print(f'golden networks and losses to {worst:.1e} in every environment of this machine')


if __name__ == '__main__':
    main()
