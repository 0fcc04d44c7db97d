"""What goes wrong on a cluster: each time a clear error within a minute on the user's terminal, never a silent hang."""
import threading
import time

from front import CHECKOUT, IMAGE, TINY, need

MINUTE = 60
HELP = dict(TINY, ARGS='--help')  # the program starts, says what it can and ends: enough where only starting matters
LOCAL = '/var/tmp/mtp.sif'  # a path that each node has for itself


def need_soon(code, seconds, output):
    """A failure, and within a minute."""
    need(code != 0 and seconds < MINUTE,
         f'an error within a minute; exit code {code} after {seconds:.0f} s', output)


def refused(front, verb, settings, *said):
    """The output of a verb that has to fail within a minute and say all of ``said``."""
    code, output, seconds = front.make(verb, settings, 2 * MINUTE)
    need_soon(code, seconds, output)
    for text in said:
        need(text in output, 'an error that says ' + text, output)
    return output


def partition(front):
    """No such partition."""
    refused(front, 'pretrain', dict(HELP, PARTITION='nowhere'), 'nowhere', 'sinfo')


def memory(front):
    """More memory than any node has."""
    refused(front, 'pretrain', dict(HELP, SRUN_ARGS='--mem=999G'), 'emory')


def images(front):
    """An image that one node lacks, then one that differs: the node, then both hashes."""
    nodes = [front.cluster.computes[0], front.cluster.computes[1]]
    for host in ['login'] + nodes:  # what an earlier try has left
        front.cluster.root('rm', '-f', LOCAL, host=host)
    for host in ['login', nodes[0]]:
        front.cluster.root('ln', '-sf', CHECKOUT + '/' + IMAGE, LOCAL, host=host)
    settings = dict(TINY, SIF=LOCAL, SRUN_ARGS='--nodelist=' + ','.join(nodes))
    refused(front, 'pretrain', settings, f'{nodes[1]}: there is no image {LOCAL}')
    front.cluster.root('sh', '-c', 'cp {0} {1} && printf other >>{1} && chmod 644 {1}'.format(
        CHECKOUT + '/' + IMAGE, LOCAL), host=nodes[1])
    output = refused(front, 'pretrain', settings, 'different images')
    for host in nodes:
        need(front.say('sha256sum', LOCAL, host=host).split()[0] in output, 'both hashes', output)
    for host in ['login'] + nodes:
        front.cluster.root('rm', '-f', LOCAL, host=host)


def port(front):
    """A master that nobody can reach."""
    refused(front, 'pretrain', dict(TINY, MASTER_ADDR='cpu03', SRUN_ARGS='--nodelist=cpu01,cpu02'),
            'did not reach process 0 at cpu03:', 'did not come')


def _disturbed(front, folder, disturb):
    """(exit code, output, seconds after the disturbance) of a pretraining that ``disturb()`` meets in the middle."""
    found, path = [], front.anew(folder)
    run = threading.Thread(target=lambda: found.append(front.make('pretrain', dict(
        TINY, END_ITER=500, SAVE_PATH=path), 4 * MINUTE)))
    run.start()
    front.reaches(path, 2)
    began = time.monotonic()
    disturb()
    run.join()
    return found[0][0], found[0][1], time.monotonic() - began


def dead_rank(front):
    """A process is killed, as the kernel does where memory runs out."""
    code, output, seconds = _disturbed(front, 'dead_rank', lambda: front.cluster.root(
        'pkill', '-KILL', '-f', 'python.*main_pretrain', host='cpu02'))
    need_soon(code, seconds, output)
    need('cpu02: task 1: Killed' in output or 'task 1' in output, 'an error that names the process', output)


def srun_killed(front):
    """srun is killed: the user hears it, and the job does not go on without anybody."""
    code, output, seconds = _disturbed(front, 'srun_killed', lambda: front.say('pkill', '-KILL', '-o', 'srun'))
    need_soon(code, seconds, output)
    need('srun was killed' in output and 'scancel' in output, 'an error that says what to do', output)
    front.wait('an empty queue', lambda: not front.say('squeue', '--noheader').strip(), MINUTE)


def environment(front):
    """Variables of interconnects go in and nothing else; no scontrol inside; the site's hook speaks on each node."""
    front.say('sh', '-c', 'echo "module() { touch work_dirs/hook.\\$SLURMD_NODENAME; export UCX_TLS=\\$2; }; '
              'module load tcp" >work_dirs/site.sh')
    given = ['NCCL_DEBUG=INFO', 'GLOO_SOCKET_IFNAME=eth0', 'SECRET=x', 'MTP_SITE_SETUP=work_dirs/site.sh']
    inside = ['apptainer', 'exec', '--containall', '--cleanenv', IMAGE, 'sh', '-c',
              'env; command -v scontrol srun || echo none']
    output = front.say('srun', '--ntasks=2', '--ntasks-per-node=1', 'bash', 'mtp/launch/task.sh', '--image', IMAGE,
                       *inside, environment=given)
    for text in ('NCCL_DEBUG=INFO', 'GLOO_SOCKET_IFNAME=eth0', 'UCX_TLS=tcp', 'SLURM_PROCID=1', 'none\n'):
        need(text in output, 'inside is ' + text, output)
    need('SECRET' not in output, 'nothing else', output)
    need(len(front.say('sh', '-c', 'ls work_dirs/hook.cpu*').split()) == 2, 'the hook ran on both nodes')


def cards(front):
    """GRES as the site calls its cards, and the flag of apptainer that goes with them."""
    for settings, resource, flag in ((dict(GPUS=2, ACCEL='nv', GRES='gpu:2'), 'gpu:2', '--nv'),
                                     (dict(GPUS=2, ACCEL='rocm', GRES='dcu'), 'dcu:2', '--rocm')):
        wanted = dict(HELP, NODES=1, VARIANT='cpu', **settings)
        plan = front.made('pretrain', dict(wanted, DRYRUN=1))
        need('--gres=' + resource in plan and flag in plan, 'the plan asks for them', plan)
        output = front.made('pretrain', wanted)
        need('--backbone' in output, 'it starts, though no card is there', output)
    refused(front, 'pretrain', dict(HELP, GRES='gpu:5'), 'srun: error')
