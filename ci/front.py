"""The test cluster as a person at its login node sees it: make, sbatch, scontrol, and the files that come of them."""
import subprocess
import time

from mtp.errors import FAILED, MTPError

import nodes

CHECKOUT = nodes.SHARED + '/home/mtp'
DATA = 'work_dirs/data'
IMAGE = 'apptainer/mmrotate1-cpu.sif'
# The smallest run that is still the real one: two nodes, a process on each, gloo on the CPU.
SMALL = dict(RUNTIME='apptainer', LAUNCHER='slurm', NODES=2, ACCEL='none', CPUS_PER_TASK=1, MTP_DATA_ROOT=DATA)
# Long enough that whoever disturbs one after its first steps is not late, on a fast machine either.
STEPS = 24
TINY = dict(SMALL, BACKBONE='vit_t_rvsa', IMAGE_SIZE=64, END_ITER=STEPS, INTERVAL=100, WORKERS=0)
LAST = 'last_vit_t_rvsa_ss_is_rd_pretrn_model.pth'
FINGERPRINT = ('import sys, torch; from mtp.report.passport import fingerprint\n'
               'for path in sys.argv[1:]: print(fingerprint(torch.load(path, map_location="cpu")["state_dict"]))')


def need(truth, what, *seen):
    """Raise an :class:`MTPError` that shows what was seen, unless ``truth``."""
    if not truth:
        raise MTPError('{}\n{}'.format(what, '\n'.join(map(str, seen)))[-6000:], code=FAILED)


class Front:
    """The login node.

    Args:
        cluster: :class:`nodes.Cluster` that is up, with the checkout and the images on it.
    """

    def __init__(self, cluster):
        self.cluster = cluster

    def call(self, *words, seconds=300, environment=(), host=nodes.LOGIN):
        """(exit code, output, seconds) of a command of the ordinary user in the checkout."""
        began = time.monotonic()
        command = self.cluster.words([str(word) for word in words], host=host, folder=CHECKOUT, environment=environment)
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  encoding='utf-8', errors='replace', timeout=seconds)
        except subprocess.TimeoutExpired as error:
            return 124, 'no end within {} s: {}'.format(seconds, (error.stdout or b'')[-4000:]), seconds
        return done.returncode, done.stdout, time.monotonic() - began

    def anew(self, *names):
        """Remove results of an earlier try below work_dirs; the path of the first of ``names``."""
        self.say('rm', '-rf', *('work_dirs/' + name for name in names))
        return 'work_dirs/' + names[0]

    def say(self, *words, **where):
        """Output of a command that has to succeed."""
        code, output, _ = self.call(*words, **where)
        need(code == 0, '{} ended with exit code {}'.format(' '.join(map(str, words))[:300], code), output)
        return output

    def make(self, verb, settings, seconds=300):
        """(exit code, output, seconds) of ``make VERB SETTING=value ...``."""
        return self.call('make', '--no-print-directory', verb, *_pairs(settings), seconds=seconds)

    def made(self, verb, settings, seconds=300):
        """Output of a verb that has to succeed."""
        return self.say('make', '--no-print-directory', verb, *_pairs(settings), seconds=seconds)

    def submit(self, verb, settings):
        """Number of the job that ``make VERB SUBMIT=1`` hands in."""
        return self.made(verb, dict(settings, SUBMIT=1)).split('Submitted batch job ')[1].split()[0]

    def job(self, number):
        """What SLURM knows of a job: {field: value}. A controller that looks for a lost node may be slow to answer."""
        for _ in range(4):
            code, said, _ = self.call('scontrol', '--oneliner', 'show', 'job', number)
            if 'Socket timed out' not in said:
                break
        need(code == 0, f'scontrol show job {number} ended with exit code {code}', said)
        return dict(pair.split('=', 1) for pair in said.split() if '=' in pair)

    def wait(self, what, truth, seconds=120):
        """Ask ``truth()`` until it is true."""
        limit = time.monotonic() + seconds
        while not truth():
            need(time.monotonic() < limit, f'not within {seconds} s: {what}', self.call('squeue')[1],
                 self.call('make', '--no-print-directory', 'logs')[1])
            time.sleep(0.5)

    def ended(self, number, seconds=240):
        """Wait for the end of a job; what SLURM calls it."""
        self.wait(f'the end of job {number}', lambda: self.job(number)['JobState'] not in (
            'PENDING', 'RUNNING', 'COMPLETING', 'CONFIGURING', 'REQUEUED'), seconds)
        return self.job(number)['JobState']

    def steps(self, folder):
        """Steps that a run has logged so far."""
        count = self.call('grep', '-c', '"step"', folder + '/log.jsonl')[1].strip()
        return int(count) if count.isdigit() else 0

    def reaches(self, folder, count, seconds=120):
        """Wait until a run has logged ``count`` steps."""
        self.wait(f'{count} steps in {folder}', lambda: self.steps(folder) >= count, seconds)

    def log(self, number):
        """The whole log of a job."""
        return self.call('sh', '-c', f'cat work_dirs/slurm/*-{number}.log')[1]

    def inside(self, *words, host=None, image=IMAGE):
        """Output of a program in the image, beside the checkout."""
        apptainer = ['apptainer', '--silent', 'exec', '--containall', '--cleanenv', '--no-home', '--pwd', '/opt/mtp',
                     '--bind', f'{CHECKOUT}:/opt/mtp:ro,{CHECKOUT}/work_dirs:/work', image]
        return self.say(*(apptainer + list(words)), host=host or self.cluster.computes[0])

    def same_weights(self, first, second):
        """Whether the results of two pretrainings are equal, bit for bit."""
        paths = [f'/work/{name}/{LAST}' for name in (first, second)]
        found = self.inside('python', '-c', FINGERPRINT, *paths)
        lines = found.split()
        need(len(lines) == 2, 'two fingerprints', found)
        return lines[0] == lines[1]


def _pairs(settings):
    return ['{}={}'.format(*pair) for pair in sorted(settings.items())]
