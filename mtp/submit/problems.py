"""Faults of a submission, and what a validation says about them."""
import collections
from typing import Iterable, List, Mapping, NamedTuple, Tuple

#: Faults that are described: of one file, and of all; the others are counted.
MOST_OF_FILE, MOST_OF_ALL = 1000, 10000

Sizes = Mapping[str, Tuple[int, int]]  # image id -> width, height


class Problem(NamedTuple):
    """A fault: where, and what. ``line`` 0 means the file as a whole."""
    file: str
    line: int
    message: str

    def __str__(self) -> str:
        text = '{}{}: {}'.format(self.file, f':{self.line}' if self.line else '', self.message)
        return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


class Problems(List[Problem]):
    """A list of :class:`Problem` that keeps the first of each file and counts the others in ``unlisted``."""

    def __init__(self, found: Iterable[Problem] = ()) -> None:
        super().__init__()
        self.unlisted, self._of_file = 0, collections.Counter()
        self.extend(found)

    def append(self, problem: Problem) -> None:
        self._of_file[problem.file] += 1
        if self._of_file[problem.file] <= MOST_OF_FILE and len(self) < MOST_OF_ALL:
            super().append(problem)
        else:
            self.unlisted += 1

    def extend(self, found: Iterable[Problem]) -> None:
        for problem in found:
            self.append(problem)

    # As a plain list's, whose + is mypy's measure: it takes lists alone.
    def __iadd__(self, found: Iterable[Problem]) -> 'Problems':  # type: ignore[misc, override]
        self.extend(found)
        return self


class Report(NamedTuple):
    """Outcome of a validation.

    Attributes:
        problems: what a server would reject.
        warnings: what it would take, but is likely a mistake.
        images, detections: how many there are.
        unlisted: how many problems there are beside those that are listed.
    """
    problems: List[Problem]
    warnings: List[str]
    images: int
    detections: int
    unlisted: int = 0
