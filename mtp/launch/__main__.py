"""``python3 -m mtp.launch VERB [NAME=VALUE ...]``: what ``make VERB`` calls."""
import os
import sys

from mtp.errors import OK, MTPError, run_main
from mtp.launch import execute, host, ledger, usage, verbs
from mtp.launch import plan as planning
from mtp.launch.settings import from_environ


def main():
    """Plan the verb; print the plan with DRYRUN=1, else run it."""
    given = [word for word in sys.argv[1:] if '=' in word]
    words = [word for word in sys.argv[1:] if '=' not in word]
    if len(words) != 1:
        raise MTPError('one verb is expected, given: {}'.format(' '.join(words) or 'none'), hint='make help')
    if words[0] == 'help':
        sys.stdout.write(usage.screen(ledger.ROOT))
        return OK
    os.environ.update(word.split('=', 1) for word in given)
    settings = from_environ(os.environ)
    plan = verbs.plan(words[0], settings, host.look(settings, builds=words[0] == 'images'))
    if settings.dryrun and words[0] not in verbs.PRINT_THEMSELVES:
        sys.stdout.write(planning.render(plan))
        return OK
    return execute.run(plan)


if __name__ == '__main__':
    run_main(main)
