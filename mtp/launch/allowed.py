"""One word out of those that are allowed."""
import difflib
from typing import Iterable

from mtp.errors import MTPError


def choose(what: str, value: str, allowed: Iterable[str]) -> str:
    """``value`` when it is one of ``allowed``.

    Raises:
        MTPError: it is none of them; lists them, with the nearest as a hint.
    """
    if value in allowed:
        return value
    near = difflib.get_close_matches(value, list(allowed), n=3, cutoff=0.5)
    raise MTPError(f'{what} is {value!r}; it can be {", ".join(allowed)}',
                   hint=f'did you mean {" or ".join(near)}?' if near else '')
