"""A plan: the exact commands of a verb, why they look so, and what is still missing. What is printed can be pasted."""
import re
import shlex
from typing import Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from mtp.errors import MTPError

WIDTH = 110
_NAME = re.compile(r'^[A-Za-z_][A-Za-z0-9_]*$')
_PROGRAM = re.compile(r'^(bash|srun|docker|podman|apptainer|python|python3|\S*/bin/python)$')

Problem = NamedTuple('Problem', [('message', str), ('hint', str)])

Command = NamedTuple('Command', [
    ('words', Tuple[str, ...]),
    ('environment', Dict[str, str]),  # added to the user's own, never in place of it
])

Script = NamedTuple('Script', [('path', str), ('text', str)])  # path relative to the plan's root

Plan = NamedTuple('Plan', [
    ('reason', str),  # which runtime and why, one line
    ('root', str),  # folder the commands start in
    ('commands', Tuple[Command, ...]),
    ('problems', Tuple[Problem, ...]),  # what has to be put right before the commands can run
    ('makes', Tuple[str, ...]),  # folders to make first
    ('script', Optional[Script]),  # a file to write before the commands; it says everything, so it is what is printed
    ('header', Tuple[str, ...]),  # comments that make the printed plan a batch script as well
    ('warnings', Tuple[str, ...]),  # what stops nothing, and should be known
])
Plan.__new__.__defaults__ = (None, (), ())  # the class syntax with defaults needs Python 3.6.1


def command(words: Iterable[str], environment: Optional[Mapping[str, str]] = None) -> Command:
    """A :class:`Command` of these words."""
    for name in environment or ():
        if not _NAME.match(name):
            raise ValueError(f'{name!r} is no name of a variable')
    return Command(tuple(words), dict(environment or {}))


def check(plan: Plan) -> None:
    """Raise the first problem of ``plan`` as an :class:`MTPError`; further ones are named in it."""
    if plan.problems:
        first, rest = plan.problems[0], plan.problems[1:]
        more = ''.join(f'\n  also: {problem.message}' for problem in rest)
        raise MTPError(first.message + more, hint=first.hint)


def render(plan: Plan) -> str:
    """``plan`` as a text to paste into a shell, or to hand to ``sbatch`` where SLURM starts it."""
    notes = ['# ' + plan.reason] if plan.reason else []
    notes += ['# warning: ' + text.replace('\n', ' ') for text in plan.warnings]
    for problem in plan.problems:
        notes.append('# not ready: ' + problem.message.replace('\n', ' '))
        notes += ['#   next: ' + problem.hint.replace('\n', ' ')] if problem.hint else []
    if plan.script:
        first, rest = plan.script.text.split('\n', 1)  # sbatch wants the interpreter in the first line
        return '\n'.join([first] + notes + [rest])
    lines = list(plan.header) + notes + ['cd ' + shlex.quote(plan.root)]
    lines += ['mkdir -p ' + shlex.quote(folder) for folder in plan.makes]
    return '\n'.join(lines + [render_command(item) for item in plan.commands]) + '\n'


def render_command(item: Command) -> str:
    """One command with its environment in front, quoted, broken into lines before programs and options."""
    pieces = [f'{name}={shlex.quote(value)}' for name, value in sorted(item.environment.items())]
    lines = [' '.join(pieces)] if pieces else []
    for piece, starts in _pieces(item.words):
        if lines and not starts and len(lines[-1]) + 1 + len(piece) <= WIDTH:
            lines[-1] += ' ' + piece
        else:
            lines.append(piece)
    return ' \\\n  '.join(lines)


def _pieces(words: Iterable[str]) -> List[Tuple[str, bool]]:
    """(text, starts a line) of what stays together: an option and its first value, or one word."""
    pieces, option = [], False
    for index, word in enumerate(words):
        quoted = shlex.quote(word)
        if option and not word.startswith('-'):
            pieces[-1] = (pieces[-1][0] + ' ' + quoted, pieces[-1][1])
            option = False
            continue
        pieces.append((quoted, bool(_PROGRAM.match(word)) and index > 0))
        option = word.startswith('-') and '=' not in word
    return pieces
