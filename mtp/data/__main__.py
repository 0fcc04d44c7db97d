"""``python -m mtp.data``: what a data set is, where it goes, and whether it is all there."""
import argparse
from typing import Optional, Sequence

from mtp.data import describe
from mtp.errors import run_main


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Describe, check or prepare data sets."""
    parser = argparse.ArgumentParser(prog='python -m mtp.data', description=main.__doc__)
    verbs = parser.add_subparsers(dest='verb', metavar='VERB')
    verbs.required = True
    verbs.add_parser('list', help='the data sets, one a line')
    for verb, help_text in (('describe', 'what to download, where to put it, how to prepare it'),
                            ('check', 'compare what is there with the official counts'),
                            ('prepare', 'do the preparation of a data set, then check it')):
        verb_parser = verbs.add_parser(verb, help=help_text)
        verb_parser.add_argument('name', help='a data set (see list)')
        if verb == 'prepare':
            verb_parser.add_argument('--dry-run', action='store_true', help='print the commands')
        if verb != 'describe':
            verb_parser.add_argument('--any-count', action='store_true',
                                     help='take other numbers of images than the official ones')
    options = parser.parse_args(argv)
    if options.verb == 'list':
        return describe.show_list()
    if options.verb == 'describe':
        return describe.show(options.name)
    if options.verb == 'check':
        return describe.check(options.name, options.any_count)
    return describe.prepare(options.name, options.dry_run, options.any_count)


if __name__ == '__main__':
    run_main(main)
