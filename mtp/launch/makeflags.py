"""What was typed behind a verb of ``make``: its names, and values in which make has taken a ``$`` for a variable of its
own.

GNU make hands its recipes the settings of the command line twice: expanded, in the environment, where the file
``a$b.tif`` has become ``a.tif``, and as they were typed, in MAKEFLAGS.
"""
import re
from typing import Dict, Mapping

_WORD = re.compile(r'(?:\\.|[^\s\\])+', re.S)
_SETTING = re.compile(r'([A-Za-z_]\w*)(?:::?|[+?!])?=(.*)', re.S)
_OWN = re.compile(r'\$[$({]')  # $(NAME), ${NAME} and $$ are meant for make


def typed(flags: str) -> Dict[str, str]:
    """``{name: value as it was typed}`` from the text of MAKEFLAGS."""
    _, dashes, rest = (' ' + flags).partition(' -- ')
    words = [re.sub(r'\\(.)', r'\1', word, flags=re.S) for word in _WORD.findall(rest)] if dashes else []
    found = [match.groups() for match in map(_SETTING.fullmatch, words) if match]
    return {name: value.replace('$$', '$') for name, value in found}


def literal(values: Mapping[str, str]) -> Dict[str, str]:
    """Those of ``values`` (of :func:`typed`) that hold a ``$`` of their own: what make has made of them is not
    meant.
    """
    return {name: value for name, value in values.items() if '$' in value and not _OWN.search(value)}
