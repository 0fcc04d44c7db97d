"""``KEY=VALUE`` words of the command lines (``--cfg-options``, ``--eval-options``), read by a toolbox's ``DictAction``.

That takes every blank out of a value and cuts it at each comma, so the name of a folder with either becomes another
name. Here such a name stays as it was typed; numbers, lists and tuples are read as published.
"""
import argparse
from typing import Any, Optional, Sequence, Type, Union

from mtp.errors import MTPError

_PATHS = ('/', './', '../', '~')


def is_text(value: str) -> bool:
    """Whether ``value`` is one text: a path, unless it is cut at commas into paths, or something with blanks in it and
    neither commas nor brackets, which no list and no number has."""
    value = value.strip('\'"')
    if value.startswith(_PATHS):
        return not all(piece.strip().startswith(_PATHS) for piece in value.split(',')) or ',' not in value
    return ' ' in value.strip() and not any(letter in value for letter in ',()[]')


def action(dict_action: Type[argparse.Action]) -> Type[argparse.Action]:
    """The class of a toolbox for such options, with the rule of :func:`is_text` before its own.

    An option that is given several times adds to what it said before; argparse would drop that without a word. The new
    class raises MTPError where a word has no ``=``, or its brackets do not match.
    """
    class Words(dict_action):  # type: ignore[misc, valid-type]  # the base is an argument
        """One option for all its appearances."""

        def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace,
                     values: Union[None, str, Sequence[Any]], option_string: Optional[str] = None) -> None:
            strange = [word for word in values or () if not word.partition('=')[1] or word.startswith('=')]
            if strange:
                raise MTPError(f'{option_string} {strange[0]}: KEY=VALUE is expected',
                               hint=f'quote the whole word: {option_string} "KEY=VALUE"')
            before = dict(getattr(namespace, self.dest) or {})
            super().__call__(parser, namespace, values, option_string)
            setattr(namespace, self.dest, dict(before, **getattr(namespace, self.dest)))

        @staticmethod
        def _parse_iterable(val: str) -> Any:
            if is_text(val):
                return val.strip('\'"')
            try:
                return dict_action._parse_iterable(val)  # type: ignore[attr-defined]  # the toolbox's
            except AssertionError:
                raise MTPError(f'the brackets of {val} do not match',
                               hint='quote the whole word: --cfg-options "KEY=[1, 2]"') from None

    return Words
