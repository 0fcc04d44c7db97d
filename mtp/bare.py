"""A Python that lacks what a program of ours needs: one sentence, and the interpreter that has it.

Programs import at their head, where nothing of theirs can catch the fault; ``mtp`` itself is what all of them pass
first. Standard library only, Python >= 3.6.
"""
import os
import platform
import shlex
import sys
from types import TracebackType
from typing import List, Mapping, Optional, Tuple, Type

from mtp.errors import USAGE, MTPError

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def watch(program: str) -> None:
    """Answer a missing module with a sentence, where ``program`` (``sys.argv[0]``) is one of ours, or ``python -m``."""
    if program == '-m' or os.path.abspath(program).startswith(ROOT + os.sep):
        sys.excepthook = _hook


def _hook(error_type: Type[BaseException], error: BaseException, trace: Optional[TracebackType]) -> None:
    name = (getattr(error, 'name', None) or '').partition('.')[0]
    if not issubclass(error_type, ImportError) or name in ('', 'mtp') or name in sys.modules:
        # a defect of ours, or of an environment: the traceback helps
        return sys.__excepthook__(error_type, error, trace)
    sys.stderr.write(f'error: {missing(name, os.environ)}\n')
    sys.exit(USAGE)


def missing(module: str, environ: Mapping[str, str]) -> MTPError:
    """The :class:`MTPError` of a Python that lacks ``module``."""
    lack = f'this Python ({platform.python_version()}, {sys.executable}) has no module {module}'
    if environ.get('MTP_ENV'):  # in an image every program finds one Python, and it should hold everything
        return MTPError(lack, hint='python docker/selfcheck.py')
    pythons = interpreters(environ)
    own = [env for env, path in pythons if os.path.abspath(sys.executable) == os.path.abspath(path)]
    if own:
        return MTPError(lack, hint='make setup ENV=' + own[0])
    there = [path for _, path in pythons if os.path.exists(path)]
    command = ' '.join(shlex.quote(word) for word in [(there or [pythons[0][1]])[0]] + words())
    return MTPError(lack, hint=command if there else 'make setup && ' + command)


def interpreters(environ: Mapping[str, str]) -> List[Tuple[str, str]]:
    """(environment, path of its native Python) in the ledger's order; the path is short where we stand in ROOT."""
    from mtp.launch import ledger  # who never meets this needs no ledger
    start = '' if os.getcwd() == ROOT else ROOT
    return [(env, os.path.join(start, environ.get('MTP_VENV_ROOT') or '.venv', env, 'bin', 'python'))
            for env in ledger.names()]


def words() -> List[str]:
    """Words of the running program after ``python``."""
    if sys.argv[0] == '-m':  # Python is still looking for the module: only the system knows its name
        with open('/proc/self/cmdline', encoding='utf-8', errors='replace') as stream:
            given = stream.read().split('\0')[:-1]
        return given[given.index('-m'):]
    spec = getattr(sys.modules['__main__'], '__spec__', None)
    if spec is None:
        return sys.argv
    name = spec.name[:-len('.__main__')] if spec.name.endswith('.__main__') else spec.name
    return ['-m', name] + sys.argv[1:]
