"""``mtp ROOM WORDS...``: the command lines of the core, for those who installed it with pip.

``mtp tiles cut --help`` is ``python -m mtp.tiles.cut --help``. The verbs of the kit (``make help``) need a checkout.
"""
import runpy
import sys
from typing import List, Optional

from mtp import __version__
from mtp.errors import MTPError, run_main

#: What a user types -> the module that answers.
COMMANDS = {
    ('checkpoints',): 'mtp.checkpoints',
    ('data',): 'mtp.data',
    ('data', 'samples'): 'mtp.data.samples',
    ('tiles', 'cut'): 'mtp.tiles.cut',
    ('submit',): 'mtp.submit',
    ('submit', 'draw'): 'mtp.submit.draw',
    ('submit', 'merge'): 'mtp.submit.merge',
}


def usage() -> str:
    """One line per command."""
    lines = [f'mtp {__version__}: the core of the MTP reproducibility kit', '']
    lines += ['  mtp {} --help'.format(' '.join(words)) for words in sorted(COMMANDS)]
    return '\n'.join(lines + ['', 'Training and testing need a checkout of the kit: make help there.', ''])


def find(words: List[str]) -> int:
    """How many of ``words`` name a command: the longest that fits.

    Raises:
        MTPError: no command has that name.
    """
    for count in (2, 1):
        if tuple(words[:count]) in COMMANDS and len(words) >= count:
            return count
    raise MTPError('no command is called {!r}'.format(' '.join(words[:2])), hint='mtp --help')


def run(words: List[str]) -> Optional[int]:
    """Run the command that ``words`` (without the program's name) ask for."""
    if not words or words[0] in ('-h', '--help', 'help'):
        sys.stdout.write(usage())
        return None
    if words[0] in ('-V', '--version'):
        sys.stdout.write(__version__ + '\n')
        return None
    count = find(words)
    sys.argv = ['mtp ' + ' '.join(words[:count])] + words[count:]
    runpy.run_module(COMMANDS[tuple(words[:count])], run_name='__main__')  # of a package: its __main__
    return None


def main() -> None:
    """The entry point ``mtp``."""
    run_main(lambda: run(sys.argv[1:]))


if __name__ == '__main__':
    main()
