"""A small real SLURM cluster with apptainer, in containers of this machine: ``ci/cluster up|down|run|test``.

``up`` starts a login node (which is the controller too) and compute nodes, each a container on a network of their own,
puts this checkout and the apptainer images of the environments on their shared folder, and stops. ``run`` starts a
command on the login node as an ordinary user; ``make cluster-up``, ``make cluster-down`` are short for the first two.
"""
import argparse
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

from mtp.errors import OK, MTPError, run_main  # noqa: E402
from mtp.launch import ledger  # noqa: E402

import engine  # noqa: E402
import nodes  # noqa: E402
import sifs  # noqa: E402

CHECKOUT = nodes.SHARED + '/home/mtp'


def up(cluster, envs, steps=None):
    """Start the cluster with this checkout and the images of ``envs`` on it."""
    cluster.build()
    made = {env: sifs.convert(cluster.client, env) for env in envs}
    cluster.up(images=sifs.folder())
    send_checkout(cluster)
    for env, path in made.items():
        link = f'{CHECKOUT}/apptainer/{env}-cpu.sif'
        cluster.user('ln', '-sf', '/images/' + os.path.basename(path), link)


def send_checkout(cluster):
    """Put the files of this checkout, as they are now, on the shared folder; ignored ones stay here."""
    cluster.user('mkdir', '-p', CHECKOUT + '/work_dirs', CHECKOUT + '/data', CHECKOUT + '/weights')
    listed = subprocess.check_output(['git', '-C', ROOT, 'ls-files', '-z', '--cached', '--others',
                                      '--exclude-standard'])
    there = [name for name in listed.split(b'\0') if name and os.path.lexists(os.path.join(os.fsencode(ROOT), name))]
    packed = subprocess.Popen(['tar', '-C', ROOT, '--null', '--files-from=-', '-c'], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
    sent = subprocess.Popen(cluster.words(['tar', '-x', '-C', CHECKOUT]), stdin=packed.stdout)
    packed.stdout.close()
    packed.stdin.write(b'\0'.join(there))
    packed.stdin.close()
    if packed.wait() or sent.wait():
        raise MTPError('the checkout could not be copied to the cluster')


def run(cluster, words):
    """A command on the login node, in the checkout; its exit code."""
    if not cluster.names():
        raise MTPError('there is no cluster', hint='make cluster-up')
    terminal = ['--tty'] if sys.stdin.isatty() and sys.stdout.isatty() else []
    command = cluster.words(words or ['bash', '-l'], folder=CHECKOUT)
    return subprocess.call(command[:2] + terminal + command[2:])


def main(argv=None):
    """A small real SLURM cluster with apptainer, in containers of this machine."""
    parser = argparse.ArgumentParser(prog='ci/cluster', description=main.__doc__)
    verbs = parser.add_subparsers(dest='verb', metavar='up|down|run|test')
    starting = verbs.add_parser('up', help='build what is missing and start it')
    starting.add_argument('--nodes', type=int, default=3, help='number of compute nodes (3)')
    starting.add_argument('--env', action='append', choices=ledger.recorded(), help='images to have there (mmrotate1)')
    verbs.add_parser('down', help='take it away; images of the engine and the cache stay')
    inside = verbs.add_parser('run', help='run a command, or a shell, on the login node')
    inside.add_argument('words', nargs=argparse.REMAINDER)
    testing = verbs.add_parser('test', help='up, every check, down')
    testing.add_argument('checks', nargs='*', help='only these')
    testing.add_argument('--keep', action='store_true', help='use a cluster that is there, and leave it there')
    testing.add_argument('--tries', type=int, default=1,
                         help='repeat a check that failed, up to so many times in all (1)')
    args = parser.parse_args(argv)
    if not args.verb:
        parser.error('one of up, down, run, test')
    client = engine.ready()
    cluster = nodes.Cluster(client, getattr(args, 'nodes', 3))
    if args.verb == 'up':
        up(cluster, args.env or ['mmrotate1'])
        print(f'ci/cluster run sinfo; ci/cluster run: a shell in {CHECKOUT}; make cluster-down')
        return OK
    if args.verb == 'down':
        cluster.down()
        return OK
    if args.verb == 'run':
        return run(cluster, args.words)
    import checks
    return checks.run(cluster, args.checks, args.keep, args.tries)


if __name__ == '__main__':
    run_main(main)
