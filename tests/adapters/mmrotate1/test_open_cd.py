"""Our change detection beside Open-CD 1.1.0, number by number, where a copy of it is at hand (``OPENCD=folder``)."""
import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

PROBE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'change_probe.py')
COPY = os.environ.get('OPENCD') or ''
INSTALLED = importlib.util.find_spec('opencd')
HERE = os.path.isdir(os.path.join(COPY, 'opencd')) or (INSTALLED is not None and INSTALLED.origin is not None)
EXACT = ('names', 'sums', 'sample', 'mask', 'keys', 'batch', 'figure')


@pytest.fixture(scope='module')
def both(tmp_path_factory):
    folder, found = tmp_path_factory.mktemp('probe'), {}
    for kind in ('ours', 'theirs'):
        out = str(folder / (kind + '.npz'))
        environ = dict(os.environ, PYTHONPATH=COPY, OMP_NUM_THREADS='1')
        done = subprocess.run([sys.executable, PROBE, kind, out], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              cwd=str(folder), env=environ, universal_newlines=True)
        assert done.returncode == 0, done.stdout[-3000:]
        found[kind] = dict(np.load(out))
    return found['ours'], found['theirs']


@pytest.mark.skipif(not HERE, reason='needs a copy of Open-CD 1.1.0: OPENCD=folder')
def test_pairs_samples_batches_losses_gradients_and_figures_are_those_of_open_cd(both):
    ours, theirs = both
    assert set(ours) == set(theirs) and len(ours) > 80
    for name, value in ours.items():
        part = name.split('/')[1]
        if part in EXACT:
            assert np.array_equal(value, theirs[name], equal_nan=True) if value.dtype.kind == 'f' else (
                value == theirs[name]).all(), name
        else:
            assert np.allclose(value, theirs[name], rtol=1e-5, atol=1e-6), name


@pytest.mark.skipif(not HERE, reason='needs a copy of Open-CD 1.1.0: OPENCD=folder')
def test_the_comparison_compares_something(both):
    ours, _ = both
    for dataset in ('whu', 'oscd', 'levir', 'cdd'):
        assert len(np.unique(ours[dataset + '/sums'][:, 0])) > 200  # the draws differ from seed to seed
        assert 5 < ours[dataset + '/figure/mIoU'] < 95
