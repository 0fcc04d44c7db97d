"""Where data, weights and work lie. No config holds an absolute path; this module turns the short form into the real
one.

In a config, and on a command line, ``data/x``, ``weights/x`` and ``work_dirs/x`` mean: ``x`` below the folder that
``MTP_DATA_ROOT``, ``MTP_WEIGHTS_ROOT`` or ``MTP_WORK_ROOT`` names (in a container ``/data``, ``/weights``, ``/work``),
or the folder of that name in the current directory when the variable is not set. What a run writes down has the short
form again (:func:`short`): so it may be moved, and a run that began in a container goes on natively.

Standard library only, Python >= 3.6.
"""
import os
import re
import sys
from typing import Any, Callable, Iterable, Pattern, TextIO, cast

HOOKS = 'MTP_HOOKS_PATH'  # folders with modules that configs name, as in PYTHONPATH; the launcher moves that one here
VARIABLES = {'data': 'MTP_DATA_ROOT', 'weights': 'MTP_WEIGHTS_ROOT', 'work_dirs': 'MTP_WORK_ROOT'}


def root(kind: str) -> str:
    """Folder behind the short prefix ``kind`` (``data``, ``weights`` or ``work_dirs``)."""
    return os.environ.get(VARIABLES[kind]) or kind


def resolve(path: str) -> str:
    """Real path of ``path``: a leading ``data/``, ``weights/`` or ``work_dirs/`` is replaced, anything else is kept."""
    head, slash, tail = path.partition('/')
    return root(head) + slash + tail if slash and head in VARIABLES else path


def resolve_tree(value: Any) -> Any:
    """Copy of nested dicts, lists and tuples with every string in them resolved."""
    return _each_text(resolve, value)


def short(text: str) -> str:
    """``text`` with the short form of every path in it that lies below one of the three folders, as files hold it."""
    folders = sorted(((os.path.abspath(root(kind)), kind) for kind in VARIABLES), reverse=True)
    for folder, kind in folders:  # one inside another comes before it
        if folder != os.sep and folder in text:
            text = _named(folder).sub(kind, text)
    return text


def short_tree(value: Any) -> Any:
    """Copy of nested dicts, lists and tuples with every string in them as :func:`short` gives it."""
    return _each_text(short, value)


def _each_text(change: Callable[[str], str], value: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return type(value)((key, _each_text(change, item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(_each_text(change, item) for item in value)
    return value


def _named(folder: str) -> Pattern[str]:
    """Where a text names ``folder`` or something below it, and no other folder that begins or ends so."""
    return re.compile(rf'(?<![\w./~-]){re.escape(folder)}(?![\w.~-])')


def add_hooks() -> None:
    """Let modules in the folders of MTP_HOOKS_PATH be found, behind everything that is installed."""
    folders = [folder for folder in os.environ.get(HOOKS, '').split(os.pathsep) if folder]
    sys.path.extend(folder for folder in folders if folder not in sys.path)


def shown(text: str) -> str:
    """``text`` with the folders of a container under the names that they have for its user, as far as the launcher
    said.

    ``/work/x/index.html`` becomes ``work_dirs/x/index.html``, which a browser on the host can open.
    """
    for variable in VARIABLES.values():
        inside, outside = os.environ.get(variable, ''), os.environ.get(variable.replace('MTP_', 'MTP_HOST_'), '')
        if inside.startswith('/') and outside and inside in text:
            text = _named(inside).sub(outside.replace('\\', r'\\'), text)
    return text


class HostNames(object):
    """A text stream that says :func:`shown` of what it is told."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``; how long it was."""
        self._stream.write(shown(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def host_names(stream: TextIO) -> TextIO:
    """``stream``, or in a container of the launcher one that names folders as the user knows them."""
    told = any(os.environ.get(variable.replace('MTP_', 'MTP_HOST_')) for variable in VARIABLES.values())
    # it answers what a stream answers, by asking the one behind it
    return cast(TextIO, HostNames(stream)) if told and stream is not None else stream
