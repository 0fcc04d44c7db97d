"""What the validations of a fine-tuning have found: ``validation.json`` in its folder, the same in both
environments.
"""
import os
from typing import Any, Dict, List, Mapping, Optional

from mtp import sealed
from mtp.adapters.passports import figures

NAME = 'validation.json'


def record(epoch: int, step: int, metrics: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """One entry: when, and the figures."""
    return dict(figures(metrics or {}), epoch=epoch, step=step)


def until(folder: str, step: float) -> List[Dict[str, Any]]:
    """Entries of the run in ``folder`` up to ``step``; what a killed run found beyond it is found again."""
    entries = sealed.read_list(os.path.join(folder, NAME))
    return [entry for entry in entries if isinstance(entry.get('step'), int) and entry['step'] <= step]


def add(folder: str, entry: Dict[str, Any]) -> None:
    """Add ``entry`` behind those of the steps before it."""
    sealed.write_list(os.path.join(folder, NAME), until(folder, entry['step'] - 1) + [entry])
