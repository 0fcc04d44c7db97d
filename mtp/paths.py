"""Where data, weights and work lie. No config holds an absolute path; this module turns the short form into the real one.

In a config, and on a command line, ``data/x``, ``weights/x`` and ``work_dirs/x`` mean: ``x`` below the folder that
``MTP_DATA_ROOT``, ``MTP_WEIGHTS_ROOT`` or ``MTP_WORK_ROOT`` names (in a container ``/data``, ``/weights``, ``/work``),
or the folder of that name in the current directory when the variable is not set.

Standard library only, Python >= 3.6.
"""
import os

VARIABLES = {'data': 'MTP_DATA_ROOT', 'weights': 'MTP_WEIGHTS_ROOT', 'work_dirs': 'MTP_WORK_ROOT'}


def root(kind):
    """Folder behind the short prefix ``kind`` (``data``, ``weights`` or ``work_dirs``)."""
    return os.environ.get(VARIABLES[kind]) or kind


def resolve(path):
    """Real path of ``path``: a leading ``data/``, ``weights/`` or ``work_dirs/`` is replaced, anything else is kept."""
    head, slash, tail = path.partition('/')
    return root(head) + slash + tail if slash and head in VARIABLES else path


def resolve_tree(value):
    """Copy of nested dicts, lists and tuples with every string in them resolved."""
    if isinstance(value, str):
        return resolve(value)
    if isinstance(value, dict):
        return type(value)((key, resolve_tree(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return type(value)(resolve_tree(item) for item in value)
    return value
