"""NVIDIA cards, as ``nvidia-smi`` tells of them on this machine or on a compute node, and what code runs on one."""
import re
import subprocess
from typing import Iterable, List, NamedTuple, Optional, Sequence, Tuple

Card = NamedTuple('Card', [('name', str), ('driver', str), ('architecture', Optional[Tuple[int, int]])])


def card(line: str) -> Card:
    """The :class:`Card` of a line ``name, driver, 8.0``; drivers before 510 leave the last away: then it is None."""
    parts = [part.strip() for part in line.split(',')]
    match = re.match(r'^(\d+)\.(\d+)$', parts[2]) if len(parts) > 2 else None
    architecture = (int(match.group(1)), int(match.group(2))) if match else None
    return Card(parts[0], parts[1] if len(parts) > 1 else '', architecture)


def look(tool: Optional[str]) -> List[Card]:
    """Cards that ``nvidia-smi`` (its path, or None) shows here; none where there is no tool or no answer."""
    for fields in ('name,driver_version,compute_cap', 'name,driver_version'):
        lines = _lines([tool, '--query-gpu=' + fields, '--format=csv,noheader']) if tool else []
        if lines:
            return [card(line) for line in lines]
    return []


def _lines(words: Sequence[str]) -> List[str]:
    try:
        said = subprocess.check_output(words, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=30)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return []
    return [line for line in said.decode('utf-8', 'replace').splitlines() if line.strip()]


def numbers(text: str) -> Tuple[int, ...]:
    """``(525, 60, 13)`` of ``525.60.13``, to compare versions."""
    return tuple(int(part) for part in text.split('.') if part.isdigit())


def sm(architecture: Tuple[int, ...]) -> str:
    """``sm_86`` of ``(8, 6)``."""
    return 'sm_{}{}'.format(*architecture)


def runs(architectures: Iterable[str], card: Card) -> bool:
    """Whether machine code for one of ``architectures`` (``8.6``) runs on ``card``: of its own major number, and no
    newer. A card whose driver does not say what it is gets the benefit of the doubt.
    """
    if card.architecture is None:
        return True
    return any(each[0] == card.architecture[0] and each <= card.architecture for each in map(numbers, architectures))


def old_driver(oldest: str, card: Card) -> bool:
    """Whether the driver of ``card`` is older than ``oldest``; one that says nothing is not."""
    seen = numbers(card.driver)
    return bool(seen) and seen < numbers(oldest)
