"""What a passport file holds, for those who read one: standard library only. :mod:`mtp.report.passport` writes it."""
import json

from mtp.errors import MTPError

SCHEMA = 1
# What a complete passport holds, whoever writes it.
KEYS = ('schema', 'kind', 'status', 'started', 'finished', 'command', 'folder', 'environment', 'code', 'hardware',
        'nodes', 'roots', 'variables', 'config', 'data', 'seed', 'processes', 'metrics')


def read(path):
    """The content of the passport at ``path``.

    Raises:
        MTPError: it is no passport, or one of another schema.
    """
    try:
        with open(path, encoding='utf-8') as stream:
            content = json.load(stream)
    except (OSError, ValueError) as error:
        raise MTPError('cannot read the passport {}: {}'.format(path, error),
                       hint='every run leaves its passport.json beside its results') from None
    missing = [key for key in KEYS if key not in content] if isinstance(content, dict) else KEYS
    if missing or content['schema'] != SCHEMA:
        raise MTPError('{} is no passport of schema {}: it lacks {}'.format(path, SCHEMA, ', '.join(missing) or
                                                                            'nothing'))
    return content
