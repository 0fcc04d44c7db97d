"""Commands that had another name: the old one goes on working.

Standard library only, Python >= 3.6.
"""
import os
import sys


def run(module: str) -> None:
    """Become ``python -m module`` with the same arguments, and say its name. Does not return."""
    sys.stderr.write(f'note: this command is python -m {module} now\n')
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, '-m', module] + sys.argv[1:])
