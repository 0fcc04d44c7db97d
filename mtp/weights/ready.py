"""``python3 -m mtp.weights.ready``: which published runs can start with the weights and the data that are here.

Standard library only, Python >= 3.6: ``make doctor`` asks it.
"""
import json
import os
import sys
from typing import Any, Dict, List

from mtp import paths
from mtp.data import catalogue
from mtp.errors import OK, run_main
from mtp.reproduce import results
from mtp.weights import manifest


def look(weights: str, data: str) -> Dict[str, Any]:
    """What each published run lacks here.

    Args:
        weights, data: the roots.

    Returns:
        dict: 'runs': name -> {'train': [what is missing], 'test': [what is missing]}; 'weights': files that are here.
    """
    known, runs = manifest.entries(), results.all_of()
    here = [entry for entry in known.values() if os.path.isfile(manifest.place(entry, weights))]
    return dict(weights=[entry.name for entry in here], runs={
        name: dict(train=_missing(name, run, runs, manifest.INITIAL, weights, data),
                   test=_missing(name, run, runs, '', weights, data)) for name, run in runs.items()})


def _missing(name: str, run: Dict[str, Any], runs: Dict[str, Any], task: str, weights: str, data: str) -> List[str]:
    """Files and folders that a training (``task`` 'initial') or a test of the released result lacks."""
    entries = [entry for entry in manifest.for_run(name, runs) if (entry.task == manifest.INITIAL) == bool(task)]
    lacking = [entry.name for entry in entries if not os.path.isfile(manifest.place(entry, weights))]
    if not entries:
        lacking.append('no released result')
    splits = list(catalogue.get(run['dataset']).splits.values())
    split = splits[0] if task else splits[-1]
    place = os.path.join(data, split.images)
    return lacking + ([] if os.path.isdir(place) and os.listdir(place) else [split.images])


def sentence(found: Dict[str, Any]) -> str:
    """One line for people."""
    counts = [sum(not run[kind] for run in found['runs'].values()) for kind in ('train', 'test')]
    return '{} of {} published files are here; {} of {} runs can train, {} released results can be tested'.format(
        len(found['weights']), len(manifest.entries()), counts[0], len(found['runs']), counts[1])


def main() -> int:
    """Print what :func:`look` found, as JSON with the sentence in it."""
    found = look(paths.root('weights'), paths.root('data'))
    json.dump(dict(found, sentence=sentence(found)), sys.stdout)
    return OK


if __name__ == '__main__':
    run_main(main)
