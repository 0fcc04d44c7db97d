"""Reading the golden files of this folder, and the weights and inputs behind them."""
import os

import numpy as np
from fill import fill, multitask_sample, normal, probe_loss  # noqa: F401

FOLDER = os.path.dirname(os.path.abspath(__file__))


def golden(case):
    """Arrays of ``<file>/<case>`` by their short names (``out0``, ``loss``, ``grad_norms`` ...)."""
    name, prefix = case.split('/')
    with np.load(os.path.join(FOLDER, name + '.npz')) as archive:
        return {key.split('/', 1)[1]: archive[key] for key in archive.files if key.startswith(prefix + '/')}
