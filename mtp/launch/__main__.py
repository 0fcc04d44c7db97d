"""``python3 -m mtp.launch VERB [NAME=VALUE ...]``: what ``make VERB`` calls."""
import os
import sys
from typing import Dict

from mtp.errors import OK, MTPError, run_main
from mtp.launch import execute, host, ledger, makeflags, usage, verbs
from mtp.launch import plan as planning
from mtp.launch.settings import from_environ


def main() -> int:
    """Plan the verb; print the plan with DRYRUN=1, else run it."""
    given = dict(word.split('=', 1) for word in sys.argv[1:] if '=' in word)
    words = [word for word in sys.argv[1:] if '=' not in word]
    typed = dict(_of_make(), **given)
    if len(words) != 1:
        raise MTPError('one verb is expected, given: {}'.format(' '.join(words) or 'none'), hint='make help')
    if words[0] == 'help':
        sys.stdout.write(usage.screen(ledger.ROOT))
        return OK
    os.environ.update(given)
    settings = from_environ(os.environ)._replace(typed=tuple(sorted(typed)))
    plan = verbs.plan(words[0], settings, host.look(settings, builds=words[0] == 'images'))
    if settings.dryrun and (settings.submit or not verbs.prints_itself(words[0], settings)):
        sys.stdout.write(planning.render(plan))
        return OK
    return execute.run(plan)


def _of_make() -> Dict[str, str]:
    """Settings that were typed behind ``make VERB``. They are not handed on: what runs below is asked for by us."""
    if not os.environ.pop('MTP_BY_MAKE', ''):
        return {}
    found = makeflags.typed(os.environ.pop('MAKEFLAGS', ''))
    os.environ.update(makeflags.literal(found))
    return found


if __name__ == '__main__':
    run_main(main)
