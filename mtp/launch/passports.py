"""What a passport file holds, for those who read one: standard library only. :mod:`mtp.report.passport` writes it."""
import os
import shlex
from typing import Any, Dict

from mtp import files, paths, sealed
from mtp.errors import MTPError
from mtp.terminal import shown

SCHEMA = 1
DEEPEST = 60  # levels of values in values; those of a config are a dozen
# What a complete passport holds, whoever writes it.
KEYS = ('schema', 'kind', 'status', 'started', 'finished', 'command', 'folder', 'environment', 'code', 'hardware',
        'nodes', 'roots', 'variables', 'config', 'data', 'seed', 'processes', 'metrics')


def where() -> str:
    """The command that shows which passports there are."""
    return f"find {shlex.quote(paths.root('work_dirs') + os.sep)} -name 'passport*.json'"


def read(path: files.PathLike) -> Dict[str, Any]:
    """The content of the passport at ``path``.

    Raises:
        MTPError: it is no passport, or one of another schema.
    """
    try:
        content = files.read_json(path)
        files.check_depth(content, DEEPEST)
        if isinstance(content, dict) and not sealed.whole(content):
            raise ValueError(f'it is not as it was written: its check sum ({sealed.KEY}) differs')
    except (OSError, ValueError) as error:
        raise MTPError(f'cannot read the passport {path}: {error}',
                       hint=where()) from None
    missing = [key for key in KEYS if key not in content] if isinstance(content, dict) else KEYS
    if missing or content['schema'] != SCHEMA:
        raise MTPError('{} is no passport of schema {}{}'.format(path, SCHEMA, ': it lacks ' + ', '.join(
            missing) if missing else ': its schema is {}'.format(shown(content['schema']))),
            hint=where())
    return sealed.opened(content)
