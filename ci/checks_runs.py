"""What runs on the cluster: the verbs in two nodes, typed by hand, as batch jobs, and jobs that come back."""
import time

from front import CHECKOUT, DATA, IMAGE, LAST, SMALL, TINY, need

REHEARSE = "--rehearse --cfg-options train_cfg.max_epochs=1"
PLAIN = 'undisturbed'  # what the disturbed runs have to equal


def prepare(front):
    """Samples, and what training reads of them."""
    cpu = dict(RUNTIME='apptainer', ACCEL='none', MTP_DATA_ROOT=DATA)
    for name, images in (('samrs', 8), ('fair1m', 2)):
        front.inside('python', '-m', 'mtp.data.samples', name, '--images', str(images), '--out', '/work/data')
    for name in ('sota', 'fast', 'sior', 'fair1m'):
        front.made('data-' + name, cpu)


def doctor(front):
    """The doctor of the login node looks into an image, and names a partition that is not there."""
    asked = dict(RUNTIME='apptainer', LAUNCHER='slurm', ACCEL='none', MTP_DATA_ROOT=DATA, ENV='mmrotate03')
    code, said, _ = front.make('doctor', dict(asked, PARTITION='nowhere'))
    need(code != 0 and ' 1 fail' in said and 'PARTITION=debug' in said, 'what fails and what there is', said)
    need('[pass] inside mmrotate03: ' in said, 'a good image', said)
    need(' on cpu' not in said, 'no node is asked in a partition that is not there', said)
    said = front.make('doctor', asked)[1]
    for what in ('apptainer', 'image', 'MTP_WORK_ROOT'):
        need(f'[pass] {what} on cpu0' in said, 'a compute node has ' + what, said)
    said = front.make('doctor', dict(asked, SIF='/var/tmp/nowhere.sif'))[1]
    need('[fail] runtime for mmrotate03: ' in said and '[fail] image on cpu0' in said, 'an image that is nowhere', said)


def pretrain(front):
    """Two-node pretraining, from make to checkpoint and passport."""
    folder = front.anew(PLAIN)
    output = front.made('pretrain', dict(TINY, SAVE_PATH=folder))
    need('2 process(es)' in output, 'two processes', output)
    passport = front.say('cat', folder + '/passport.json')
    digest = front.say('sha256sum', '/images/' + front.say('readlink', IMAGE).strip().split('/')[-1]).split()[0]
    need(digest in passport, 'the passport names the image by its hash ' + digest, passport[:3000])
    need('"cpu01"' in passport and '"cpu02"' in passport, 'the passport names both nodes', passport[:3000])
    need(front.say('stat', '-c', '%U', f'{folder}/{LAST}').strip() == 'ada', 'results belong to the user')


def by_hand(front):
    """srun and apptainer as typed from the guide, and at the same time on the same nodes the printed plan by sbatch."""
    front.anew('by_hand', 'printed')
    front.say('bash', '-c', 'make --no-print-directory pretrain DRYRUN=1 {} >job.sh 2>/dev/null'.format(' '.join(
        '{}={}'.format(*pair) for pair in dict(TINY, END_ITER=2, SAVE_PATH='work_dirs/printed', SRUN_ARGS='').items())))
    number = front.say('sbatch', '--parsable', 'job.sh').strip()
    options = ('--backbone vit_t_rvsa --tasks ss is rd --datasets sota sior fast --batch_size 3 --batch_size_val 3 '
               '--workers 0 --save_path /work/by_hand --distributed True --end_iter 2 --image_size 64 '
               '--init_backbone none --batch_mode avg --background True --use_ckpt True --interval 5000')
    output = front.say(
        'srun', '-J', 'mtp', '-p', 'debug', '--ntasks=2', '--ntasks-per-node=1', '--cpus-per-task=1',
        '--kill-on-bad-exit=1', 'apptainer', 'exec', '--contain', '--no-home', '--pwd', '/opt/mtp', '--bind',
        f'{DATA}:/data,{CHECKOUT}/work_dirs:/work,{CHECKOUT}:/opt/mtp:ro', IMAGE, 'python', '-u',
        'main_pretrain.py', *options.split(), environment=['APPTAINERENV_' + 'OMP_NUM_THREADS=1'])
    need('2 process(es)' in output, 'two processes, without the launcher', output)
    state = front.ended(number)
    need(state == 'COMPLETED', 'the printed plan as a batch job ended as ' + state,
         front.call('cat', f'slurm-{number}.out')[1])
    need(front.same_weights('by_hand', 'printed'), 'both have the same weights')


def finetune(front):
    """Fine-tuning on two nodes, then an array of two configs on one node."""
    front.anew('mmrotate1')
    front.made('finetune-fair1m', dict(SMALL, ARGS=REHEARSE))
    configs = 'fair1m/oriented_rcnn_rvsa_b_800_mae_mtp_fair1m20 fair1m/oriented_rcnn_rvsa_b_800_mae_fair1m20'
    number = front.submit('finetune', dict(SMALL, NODES=1, CONFIG=configs, ARGS=REHEARSE))
    names = ['finetune-' + config.split('/')[1] for config in configs.split()]
    said = front.made('status', {})
    need(all(name in said for name in names), 'a task of an array shows under its config', said)
    for task in ('0', '1'):
        front.wait('the log of task ' + task,
                   lambda task=task: ' complete' in front.log(f'{number}_{task}'), 240)


def test_fair1m(front):
    """Multi-scale testing on two nodes in the other environment: a shard of each, one submission."""
    folder = front.anew('mmrotate03')
    output = front.made('test-fair1m', dict(SMALL, ARGS='--rehearse'))
    found = front.say('find', folder, '-name', '*.shard', '-size', '+1k').split()
    need(len(found) == 2, 'a shard with detections from each node', found, output)
    need(front.say('find', folder, '-name', 'test.zip').strip(), 'a submission', output)


def preempted(front):
    """Requeued twice in the middle: comes back by itself and ends as one that was never disturbed."""
    folder = front.anew('preempted')
    number = front.submit('pretrain', dict(TINY, SAVE_PATH=folder))
    for turn in (1, 2):
        # A job that was asked to stop finishes its step, waits in the queue and starts: only then has it gone on.
        front.reaches(folder, front.steps(folder) + 2)
        front.say('scontrol', 'requeue', number)
        front.wait(f'start {turn + 1} goes on',
                   lambda turn=turn: front.log(number).count('continuing from') == turn)
    need(front.ended(number) == 'COMPLETED', 'it ends', front.log(number))
    log = front.log(number)
    need(log.count('continuing from') == 2 and 'complete' in log, 'it went on twice', log)
    need(front.same_weights(PLAIN, 'preempted'), 'bit-equal to the undisturbed run', log)


def node_killed(front):
    """A node vanishes: the job goes on with the others, from what it had saved."""
    _without(front, 'cpu02', 'node_killed', 'cpu[01,03]')


def batch_node_killed(front):
    """The node that runs the batch script vanishes, and the process that writes the checkpoints with it."""
    _without(front, 'cpu01', 'batch_node_killed', 'cpu[02-03]')


def _without(front, host, folder, others):
    """A pretraining of two nodes loses ``host`` in the middle and ends on the ``others``."""
    number = front.submit('pretrain', dict(TINY, INTERVAL=2, SAVE_PATH=front.anew(folder)))
    front.reaches('work_dirs/' + folder, 3)
    first = front.job(number)['BatchHost']
    front.cluster.kill(host)
    try:
        need(first == 'cpu01', 'the batch script is on cpu01', first)
        need(front.ended(number, 300) == 'COMPLETED', 'it ends', front.log(number))
    finally:
        front.cluster.start(host)
    log = front.log(number)
    need(others in log and 'continuing from' in log, 'it went on with the other nodes', log)
    need(front.same_weights(PLAIN, folder), 'bit-equal to the undisturbed run', log)
    front.cluster.wait_idle()


def finetune_requeued(front):
    """Requeued after its first epoch, fine-tuning goes on from there and ends."""
    folder = front.anew('mmrotate1')
    number = front.submit('finetune-fair1m', dict(SMALL, ARGS='--rehearse --cfg-options train_cfg.max_epochs=8'))
    front.wait('a first epoch', lambda: 'epoch_1.pth' in front.call('find', folder, '-name', 'epoch_1.pth')[1], 240)
    front.say('scontrol', 'requeue', number)
    need(front.ended(number, 300) == 'COMPLETED', 'it ends', front.log(number))
    log = front.log(number)
    need('start 2' in log and 'resumed epoch: ' in log and 'Epoch(train) [3]' in log, 'it went on', log)
    need(log.count('Epoch(train) [1][1/') == 1, 'the first epoch was not done again', log)


def early_stop(front):
    """Asked to stop before the program is up, three times at other moments: comes back and ends as one undisturbed."""
    number = front.submit('pretrain', dict(TINY, SAVE_PATH=front.anew('early_stop')))
    for turn, seconds in enumerate((0.2, 1.5, 4), 1):
        front.wait('a start', lambda: front.job(number)['JobState'] == 'RUNNING')
        time.sleep(seconds)
        front.say('scancel', '--batch', '--signal=USR1', number)
        front.wait(f'start {turn + 1}', lambda turn=turn: front.job(number)['Restarts'] == str(turn), 60)
    need(front.ended(number) == 'COMPLETED', 'it ends', front.log(number))
    log = front.log(number)
    need(log.count('requeued: it was asked to stop') == 3 and 'failed' not in log, 'the batch script sent it back', log)
    need(front.same_weights(PLAIN, 'early_stop'), 'bit-equal to the undisturbed run', log)


def time_limit(front):
    """Near the end of its time: saved, requeued by the batch script, continued."""
    # SLURM looks twice a minute and warns early by as much: here 105 to 135 seconds after the start.
    number = front.submit('pretrain', dict(TINY, END_ITER=5000, SAVE_PATH=front.anew('time_limit'), TIME_LIMIT=3,
                                           SBATCH_ARGS='--signal=B:USR1@45'))
    front.wait('a second start', lambda: 'continuing from' in front.log(number), 300)
    log = front.log(number)
    # The first process to end may take the other with it, whose code 143 then is what srun answers: both have saved.
    need(any('requeued: ' + why in log for why in ('it was asked to stop and has saved', 'the time limit is near')),
         'the batch script sent it back', log)
    need('stopped; start the same command again to continue' in log, 'it had saved before', log)
    front.say('scancel', number)
    need(front.ended(number) == 'CANCELLED', 'cancelled, and not brought back', front.log(number))


def status(front):
    """make status knows every job that was handed in."""
    said = front.made('status', {})
    need('pretrain-vit_t_rvsa' in said and 'complete' in said and 'work_dirs/slurm/' in said, 'the table', said)
    need('[mtp]' in front.made('logs', {'JOB': 'pretrain-vit_t_rvsa'}), 'a log by the name of its job')
    number = front.submit('pretrain', dict(TINY, END_ITER=5000, SAVE_PATH=front.anew('cancelled')))
    front.wait('its start', lambda: 'start 1' in front.log(number))
    front.say('scancel', number)  # while it is starting
    front.ended(number)
    rows = [line for line in front.made('status', {}).splitlines() if line.split()[:1] == [number]]
    need(len(rows) == 1 and ' cancelled ' in rows[0], 'a job that was cancelled while it started', rows)
