"""Every verb in every runtime, in one and two processes, each at its smallest: ``ci/matrix``.

Today's share by default, so that each cell runs within a week; ``--all`` runs everything, ``--list`` says which cell
runs when, and why another does not. Each runs as an ordinary user without network, in a checkout that cannot be
written, with a blank and a link in the paths of its folders. Exit code 4: no container engine can be had here, and only
the native cells ran. A test cluster that is up is used and stays; else one is brought up for the time.
"""
import argparse
import datetime
import os
import shutil
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.launch import ledger  # noqa: E402

import engine  # noqa: E402
import nodes  # noqa: E402
import sifs  # noqa: E402
from cells import choice, runtimes, running  # noqa: E402
from cells.places import Here, venvs  # noqa: E402
from cells.there import There  # noqa: E402


def main(argv=None):
    """Run the cells of today, or those that are asked for, and print the table."""
    args = _parser().parse_args(argv)
    found = [cell for cell in choice.there() if _wanted(cell, args)]
    if not found:
        raise MTPError('there is no such cell', hint='ci/matrix --list')
    date = datetime.datetime.strptime(args.date, '%Y-%m-%d').date() if args.date else datetime.date.today()
    if args.list:
        print(listed(date))
        return OK
    chosen = args.all or args.case or args.runtime
    cells = choice.with_needs(found) if chosen else choice.of(date, found)
    base = args.folder and os.path.abspath(args.folder) or tempfile.mkdtemp(prefix='mtp-matrix-')
    os.makedirs(base, exist_ok=True)
    try:
        return run(cells, base, time.monotonic() + args.minutes * 60)
    finally:
        if not args.folder:
            shutil.rmtree(base, ignore_errors=True)


def _parser():
    parser = argparse.ArgumentParser(prog='ci/matrix', description=main.__doc__)
    parser.add_argument('--all', action='store_true', help='every cell')
    parser.add_argument('--list', action='store_true', help='say when each cell runs, and why others do not')
    parser.add_argument('--case', action='append', metavar='NAME', help='only these cases; see --list')
    parser.add_argument('--runtime', action='append', choices=[each.name for each in runtimes.RUNTIMES],
                        help='only these runtimes')
    parser.add_argument('--processes', type=int, choices=(1, 2), help='only cells of so many processes')
    parser.add_argument('--minutes', type=float, default=float('inf'), metavar='N',
                        help='begin no cell that is likely to end later; the last lines name those that did not run')
    parser.add_argument('--date', metavar='YYYY-MM-DD', help='the share of another day')
    parser.add_argument('--folder', help='keep all results there; cells that have passed there are not run again')
    return parser


def _wanted(cell, args):
    return ((not args.case or cell.case.name in args.case) and (not args.runtime or cell.runtime.name in args.runtime)
            and args.processes in (None, cell.processes))


def run(cells, base, until=float('inf')):
    """Run ``cells`` below the folder ``base``, those that end before ``until``; exit code of the whole."""
    began = time.monotonic()
    runner = running.Runner(Here(base, venvs()), os.path.join(base, 'logs'), until=until)
    missing, cluster, ours = {}, None, False
    if any(cell.runtime.engine for cell in cells):
        try:
            client = engine.ready()
            need_images(client, cells)
            cluster, ours = cluster_for(client, cells)
        except MTPError as error:
            if error.code != engine.NO_ENGINE:
                raise
            missing = {each.name: 'no container engine' for each in runtimes.RUNTIMES if each.engine}
            print(f'!!! NO CONTAINER ENGINE: {error}')
    try:
        if cluster:
            runner.places['cluster'] = There(cluster, {env: cluster_sif(client, env) for env in ledger.recorded()})
        runner.run(cells, missing)
        changed = [path for place in runner.places.values() if place for path in place.changed()]
    finally:
        if ours:
            cluster.down()
    return said(runner.rows, changed, time.monotonic() - began)


def need_images(client, cells):
    """An error that names what makes them, where an image of a cell is not there."""
    for env in sorted({cell.case.env for cell in cells if cell.runtime.engine}):
        if engine.said([client, 'image', 'inspect', ledger.image_tag(env)])[0]:
            raise MTPError(f'there is no image {ledger.image_tag(env)}', hint='ci/images ' + env, code=FAILED)


def cluster_for(client, cells):
    """(cluster or None, whether it was brought up here)."""
    if not any(cell.runtime.where == 'cluster' for cell in cells):
        return None, False
    import cluster as commands
    found = nodes.Cluster(client)
    if found.names():
        found.wait_idle()  # somebody may have disturbed it
        return found, False
    commands.up(found, ledger.recorded())
    return found, True


def cluster_sif(client, env):
    """Path on the nodes of the SIF of an environment."""
    return '/images/' + os.path.basename(sifs.convert(client, env))


def said(rows, changed, seconds):
    """Print the table and what failed; the exit code."""
    refused = [choice.name(cell) for cell, why in choice.cells() if why]
    print('\n' + running.table(rows, refused))
    print('seconds; - there is no such cell, . not today, skip: could not run (ci/matrix --list says why)')
    known = choice.proven()
    every = [row for row in rows if row.status == running.FAILED]
    failed = [row for row in every if choice.name(row.cell) in known]
    late = [row for row in rows if row.status == running.SKIPPED and row.why == running.LATE]
    skipped = [row for row in rows if row.status == running.SKIPPED and row not in late]
    print('{} cells: {} passed, {} failed, {} did not run, in {:.0f} s'.format(
        len(rows), sum(row.status == running.OK for row in rows), len(every), len(skipped) + len(late), seconds))
    for row in every:
        word = 'FAILED, AND IT HAS PASSED BEFORE' if row in failed else 'NEVER PASSED YET (ci/cells/proven.txt)'
        print('!!! {}: {}'.format(word, '{} / {} / {}'.format(*choice.name(row.cell))))
    fresh = [row for row in rows if row.status == running.OK and choice.name(row.cell) not in known]
    for row in fresh:
        print('passed for the first time, add to ci/cells/proven.txt: {},{},{}'.format(*choice.name(row.cell)))
    for path in changed:
        print('CHANGED IN THE CHECKOUT: ' + path)
    for row in late:
        print('!!! NO TIME WAS LEFT FOR: {} / {} / {}'.format(*choice.name(row.cell)))
    if failed or changed:
        return FAILED
    if skipped:
        print(f'!!! {len(skipped)} CELLS DID NOT RUN: {skipped[0].why}')
    return engine.NO_ENGINE if skipped else OK


def listed(date):
    """Every combination, and when it runs or why there is none."""
    found, lines = choice.there(), []
    placed, today = choice.days(found), date.toordinal() % choice.DAYS
    for cell, why in choice.cells():
        case, runtime, processes = choice.name(cell)
        when = why and 'not: ' + why or _when(placed.get((case, runtime, processes)), today)
        lines.append(f'{case:<26}{runtime:<19}{processes}  {when}')
    lines += ['', 'verbs that are no cells:']
    from cells import verbs
    lines += [f'  {verb:<15}{why} ({by})' for verb, (why, by, _) in verbs.ELSEWHERE.items()]
    return '\n'.join(lines)


def _when(day, today):
    if day is None:
        return 'every time'
    ahead = (day - today) % choice.DAYS
    return 'today' if not ahead else 'in {} day{}'.format(ahead, 's' * (ahead > 1))


if __name__ == '__main__':
    run_main(main)
