"""Numbers that people type: what may stand in an option or a setting, said in one sentence for all command lines.

``int`` and ``float`` take too much: ``nan`` passes every comparison, ``1e400`` is infinite, ``10**30`` fits into no
array, and ``1_0`` is a slip of the finger. Standard library only, Python >= 3.6.
"""
import argparse
import math
import re
from typing import Any, Optional, Sequence

from mtp.errors import MTPError

_WHOLE = re.compile(r'[+-]?[0-9]{1,40}')
_DIGITS = re.compile('[0-9]{1,18}')
_REAL = re.compile(r'[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,6})?')
#: The largest whole number where nothing else bounds it: what a C program takes.
MOST = 2 ** 31 - 1
_SHOWN = 40  # characters of what was typed


class Whole:
    """Type of an option: a whole number from ``least`` to ``most``; argparse says the error and ends with code 2."""

    def __init__(self, least: int, most: int) -> None:
        self.least, self.most = least, most

    def __call__(self, text: str) -> int:
        if _WHOLE.fullmatch(text.strip()) and self.least <= int(text) <= self.most:
            return int(text)
        large = _WHOLE.fullmatch(text.strip()) and int(text) > self.most == MOST
        raise argparse.ArgumentTypeError('{}{} is expected, not {}'.format(
            self, f' and at most {MOST}' if large else '', _quoted(text)))

    def __str__(self) -> str:
        if self.most == MOST:
            return f'a whole number of at least {self.least}'
        return f'a whole number from {self.least} to {self.most}'


class Real:
    """Type of an option: a finite number from ``least`` (above it, where ``above``) to ``most``."""

    def __init__(self, least: float, most: float, above: bool) -> None:
        self.least, self.most, self.above = least, most, above

    def __call__(self, text: str) -> float:
        value = float(text) if _REAL.fullmatch(text.strip()) else math.nan
        if math.isfinite(value) and self.least <= value <= self.most and not (self.above and value == self.least):
            return value
        raise argparse.ArgumentTypeError(f'{self} is expected, not {_quoted(text)}')

    def __str__(self) -> str:
        words = 'a number above {:g} and at most {:g}' if self.above else 'a number from {:g} to {:g}'
        return words.format(self.least, self.most)


count = Whole(1, MOST)  # of things, one at least
not_negative = Whole(0, MOST)
seed = Whole(0, 2 ** 32 - 1)  # NumPy's generators take no other
port = Whole(1, 65535)
byte = Whole(0, 255)
jpeg_side = Whole(1, 65500)  # libjpeg writes no more
share = Real(0, 1, False)  # scores, and shares of a whole
overlap = Real(0, 1, True)  # an IoU that decides: at 0 every two boxes would be one
percentile = Real(0, 100, False)
length = Real(0, 1e9, False)  # of time, or in pixels
real = Real(-1e30, 1e30, False)  # in the range of float32
rate = Real(0, 1, True)  # of learning


def digits(text: str) -> bool:
    """Whether ``int`` makes a number of ``text`` without an error and without end: up to 18 of the digits 0 to 9.

    ``str.isdigit`` takes ``²`` too, of which ``int`` makes an error.
    """
    return bool(_DIGITS.fullmatch(text))


def of_setting(name: str, text: str, kind: Any, hint: str = '') -> Any:
    """The number in ``text``, for what no argparse reads: settings of ``make`` and variables.

    Args:
        name: of the setting.
        text: as typed.
        kind: a :class:`Whole` or :class:`Real`.
        hint: what to type instead; the setting with 1 where nothing is given.

    Raises:
        MTPError: it is none; names the setting, the value and what is expected.
    """
    try:
        return kind(text)
    except argparse.ArgumentTypeError as error:
        raise MTPError(f'{name} is {_quoted(text)}; it has to be {kind}',
                       hint=hint or f'{name}=1') from error


def rising(name: str, pair: Optional[Sequence[float]]) -> None:
    """Raise MTPError unless the first of two numbers of the option ``name`` is the smaller one."""
    if pair and not pair[0] < pair[1]:
        low, high = min(pair), max(pair[0], pair[1], min(pair) + 1)
        raise MTPError('{} is {:g} {:g}; the first number has to be the smaller one'.format(name, *pair),
                       hint=f'{name} {low:g} {high:g}')


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + '…')
