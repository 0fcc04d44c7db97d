"""``ci/cluster test``: the cluster up, every check, the cluster away."""
import contextlib
import subprocess
import time

from mtp.errors import FAILED, OK, MTPError
from mtp.launch import ledger

import checks_faults as faults
import checks_runs as runs
import checks_trust as trust
from front import Front

# In this order: the first draws the data, with the run of the third others are compared.
CHECKS = (runs.prepare, runs.doctor, runs.pretrain, runs.by_hand, runs.finetune, runs.finetune_requeued,
          runs.test_fair1m, runs.preempted, runs.node_killed, runs.batch_node_killed, runs.early_stop, runs.time_limit,
          runs.status, trust.replay, trust.signing, faults.partition, faults.memory, faults.images, faults.port,
          faults.dead_rank, faults.srun_killed, faults.environment, faults.cards)


def run(cluster, wanted, keep, tries=1):
    """Run the checks named in ``wanted`` (all when empty); exit code 1 when one failed. Every one is run.

    Many look at what SLURM does within a time, on a machine that may be busy: with ``tries`` above 1 one that failed is
    repeated, and said to have been.
    """
    names = {check.__name__: check for check in CHECKS}
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise MTPError('there is no check {}'.format(' '.join(unknown)), hint=' '.join(names))
    import cluster as commands  # it starts this module
    began = time.monotonic()
    if keep and cluster.names():
        commands.send_checkout(cluster)
    else:
        cluster.down()
        commands.up(cluster, ledger.recorded())
    seconds = [(time.monotonic() - began, 'up')]
    failed, repeated = [], []
    try:
        for check in [names[name] for name in wanted] or CHECKS:
            count = next((number for number in range(1, tries + 1) if one(check, Front(cluster), seconds)), None)
            failed += [check.__name__] if count is None else []
            repeated += [check.__name__] if count not in (None, 1) else []
    finally:
        if not keep:
            began = time.monotonic()
            cluster.down()
            seconds.append((time.monotonic() - began, 'down'))
    print('\n{}'.format('\n'.join('{:6.0f} s  {}'.format(*each) for each in seconds)))
    print(f'\n{len(wanted or CHECKS) - len(failed)} passed, {len(failed)} failed')
    for name in repeated:
        print('NOT AT THE FIRST TRY: ' + name)
    return FAILED if failed else OK


def one(check, front, seconds):
    """Whether the check passed."""
    print(f'--- {check.__name__}: {check.__doc__.splitlines()[0]}', flush=True)
    began = time.monotonic()
    try:
        check(front)
    except (MTPError, subprocess.SubprocessError) as error:
        print(f'FAILED {check.__name__}: {error}', flush=True)
        front.call('scancel', '--me')
        with contextlib.suppress(MTPError):  # what comes next says it
            front.cluster.wait_idle()  # a job that is still ending holds its folder, and a repeat writes there
        return False
    finally:
        seconds.append((time.monotonic() - began, check.__name__))
    return True
