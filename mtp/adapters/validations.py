"""What the validations of a fine-tuning have found: ``validation.json`` in its folder, the same in both
environments.
"""
import os

from mtp import sealed
from mtp.adapters.passports import figures

NAME = 'validation.json'


def record(epoch, step, metrics):
    """One entry: when, and the figures."""
    return dict(figures(metrics or {}), epoch=epoch, step=step)


def until(folder, step):
    """Entries of the run in ``folder`` up to ``step``; what a killed run found beyond it is found again."""
    entries = sealed.read_list(os.path.join(folder, NAME))
    return [entry for entry in entries if isinstance(entry.get('step'), int) and entry['step'] <= step]


def add(folder, entry):
    """Add ``entry`` behind those of the steps before it."""
    sealed.write_list(os.path.join(folder, NAME), until(folder, entry['step'] - 1) + [entry])
