"""In what a command runs: apptainer, docker or a native environment. Pure: settings and host in, words out.

The contract with a container: data read-only at /data, weights read-only at /weights, work at /work; the user's own uid
and gid; only the variables of ``passed_variables.txt`` go in; nothing is written to a home folder.
"""
import os

from mtp.errors import MTPError
from mtp.launch import ledger, rendezvous, venvs
from mtp.launch.host import sif_path, venv_python
from mtp.launch.plan import Problem, command

CODE = '/opt/mtp'  # where an image holds the code
TASK = ('bash', 'mtp/launch/task.sh')
INSIDE = {'data': '/data', 'weights': '/weights', 'work_dirs': '/work'}
# /tmp is the only place besides /work that can be written to; caches of libraries go there and vanish.
ENVIRONMENT = {'PYTHONNOUSERSITE': '1', 'PYTHONDONTWRITEBYTECODE': '1', 'MTP_DATA_ROOT': INSIDE['data'],
               'MTP_WEIGHTS_ROOT': INSIDE['weights'], 'MTP_WORK_ROOT': INSIDE['work_dirs'],
               'MPLCONFIGDIR': '/tmp/matplotlib', 'XDG_CACHE_HOME': '/tmp/cache'}
ROCM_HINT = 'build one on the base image of your site, then IMAGE=name (docker) or SIF=file (apptainer)'


def accelerator(settings, host):
    """``nv``, ``rocm`` or ``none``: as asked, else what this machine has, or under SLURM what GRES names."""
    if settings.accel != 'auto':
        return settings.accel
    if settings.launcher == 'slurm':
        return 'rocm' if settings.gres.startswith('dcu') else 'nv'
    return host.accel


def variant(settings, accel):
    """Which image: as asked, else cu113 for NVIDIA cards and cpu without a card."""
    return settings.variant or {'nv': 'cu113', 'rocm': 'rocm', 'none': 'cpu'}[accel]


def image(settings, env, kind):
    """Name of the docker image; a kind that the ledger lacks (ROCm) has the same form of name."""
    if settings.image:
        return settings.image
    return ledger.image_tag(env, kind) if kind in ledger.variants() else 'mtp/{}:{}'.format(env, kind)


def choose(settings, host, env):
    """(runtime, reason, problems): what is taken for ``env``, why in one line, and what is missing for it."""
    kind = variant(settings, accelerator(settings, host))
    missing = {name: find(settings, host, env, kind) for name, find in _MISSING.items()}
    if settings.runtime != 'auto':
        return settings.runtime, '{}: asked for by RUNTIME'.format(settings.runtime), missing[settings.runtime]
    passed_over = []
    for name in ('apptainer', 'docker'):
        if not missing[name]:
            return name, ', '.join(['{}: {} is here'.format(name, _what(settings, env, kind, name))] + passed_over), ()
        passed_over.append('not {} ({})'.format(name, missing[name][0].message))
    return 'native', ', '.join(['native: the virtual environment'] + passed_over), missing['native']


def wrap(runtime, settings, host, job, inner, alone=True):
    """``inner`` as a :class:`Command` in ``runtime``.

    Args:
        job: its ``env`` says which image, its ``reads`` and ``writes`` which folders, ``processes`` how many there are.
        inner: words that follow ``python``.
        alone: no other container works on the same job; then docker gives it no network.
    """
    environment = own_environment(settings, job.processes)
    outside = {'MTP_SITE_SETUP': settings.site_setup} if settings.site_setup else {}
    if runtime == 'native':
        environment['PYTHONNOUSERSITE'] = '1'
        environment.update(_roots(settings))  # so that a printed plan works in another shell too
        words = list(TASK) if outside else []  # a site's compilers and drivers, on each node
        return command(words + [venv_python(settings, job.env)] + list(inner), dict(environment, **outside))
    environment.update(ENVIRONMENT)
    # For the passport of the run: nothing inside can know the code that is bound over its own, nor the image's digest.
    environment.update({'MTP_REVISION': host.revision} if settings.code == 'checkout' else {})
    if runtime == 'docker':
        environment.update(_docker_identity(settings, host, job.env))
        return command(_docker(settings, host, job, environment, alone) + ['python'] + list(inner))
    return command(_apptainer(settings, host, job, environment) + ['python'] + list(inner), outside)


def own_environment(settings, processes):
    """Variables we would like; each one the user has set already is left out, so that the user's value wins."""
    wanted = {}
    if settings.port:
        wanted['MASTER_PORT'] = settings.port
    if processes > 1:
        wanted['OMP_NUM_THREADS'] = '1'  # the loader's workers need the other cores
    return {name: value for name, value in wanted.items() if name not in settings.environ}


class Places(object):
    """Where a path of the host lies for the program that is started."""

    def __init__(self, runtime, settings, host):
        self.native = runtime == 'native'
        self.root = host.root
        self.outside = {'data': settings.data_root, 'weights': settings.weights_root, 'work_dirs': settings.work_root}

    def of(self, path):
        """``path`` as the program sees it.

        Args:
            path: a short path (``work_dirs/x``), one relative to the checkout, or an absolute one of the host.

        Raises:
            MTPError: the path lies in no folder that the container sees.
        """
        head, slash, tail = path.partition('/')
        if slash and head in self.outside:
            return self._base(head) + '/' + tail
        if self.native:
            return path
        full = os.path.normpath(os.path.join(self.root, path))
        for kind, folder in self.outside.items():
            relative = _below(full, os.path.join(self.root, folder))
            if relative:
                return INSIDE[kind] + '/' + relative
        relative = _below(full, self.root)
        if relative:
            return relative
        raise MTPError('{} lies in no folder that the container sees'.format(path),
                       hint='move it below MTP_DATA_ROOT, MTP_WEIGHTS_ROOT or MTP_WORK_ROOT')

    def host(self, path):
        """``path`` with a short prefix replaced, for looking at it from the host."""
        head, slash, tail = path.partition('/')
        return os.path.join(self.root, self.outside[head] + '/' + tail if slash and head in self.outside else path)

    def kept(self, path):
        """``path``, given as for :meth:`of`, relative to the checkout: the same folder for a script on the host."""
        return os.path.relpath(self.host(path), self.root) if not os.path.isabs(path) else path

    def _base(self, kind):
        if not self.native:
            return INSIDE[kind]
        folder = self.outside[kind].rstrip('/')
        head, slash, _ = folder.partition('/')
        # In work_dirs/mine the program would take work_dirs/ for the root, which is work_dirs/mine, once more.
        return os.path.join(self.root, folder) if slash and head in self.outside else folder


def _roots(settings):
    values = {'MTP_DATA_ROOT': settings.data_root, 'MTP_WEIGHTS_ROOT': settings.weights_root,
              'MTP_WORK_ROOT': settings.work_root}
    return {name: value for name, value in values.items() if value not in INSIDE}


def _below(path, folder):
    relative = os.path.relpath(path, os.path.normpath(folder))
    return '' if relative.startswith('..') or relative == '.' else relative


def binds(settings, host, job):
    """(host folder, folder inside, read-only) of everything the container sees."""
    roots = {'data': settings.data_root, 'weights': settings.weights_root, 'work_dirs': settings.work_root}
    found = [(os.path.normpath(os.path.join(host.root, roots[kind])), INSIDE[kind], kind not in job.writes)
             for kind in ('data', 'weights', 'work_dirs') if kind in job.reads or kind in job.writes]
    if settings.code == 'checkout':
        found.append((host.root, CODE, True))
    return found


def _docker_identity(settings, host, env):
    name = image(settings, env, variant(settings, accelerator(settings, host)))
    return {'MTP_IMAGE': '{}@{}'.format(name, host.image_ids[name]) if name in host.image_ids else name}


def _docker(settings, host, job, environment, alone):
    words = ['docker', 'run', '--rm', '--init', '--user', '{}:{}'.format(host.uid, host.gid), '--read-only',
             '--tmpfs', '/tmp:exec']
    # One container alone needs no network. Several on one machine have to reach each other's sockets and shared memory.
    words += ['--network', 'none', '--shm-size', settings.shm_size] if alone else ['--network', 'host', '--ipc', 'host']
    # A network of its own brings a made-up name with it, which the passport of the run would show. SLURM says the node.
    words += ['--hostname', host.name] if alone and host.name and settings.launcher == 'local' else []
    words += {'nv': ['--gpus', 'all'], 'none': [],
              'rocm': ['--device', '/dev/kfd', '--device', '/dev/dri', '--group-add', 'video']}[
                  accelerator(settings, host)]
    for source, target, read_only in binds(settings, host, job):
        words += ['--mount', 'type=bind,source={},target={}{}'.format(source, target, ',readonly' * read_only)]
    words += ['--workdir', CODE, '--env', 'HOME=/tmp']
    for name, value in sorted(environment.items()):
        words += ['--env', '{}={}'.format(name, value)]
    for name in _passed_names(settings):  # without a value: docker takes the one of the task it runs in
        words += ['--env', name]
    kind = variant(settings, accelerator(settings, host))
    return words + list(settings.docker_args) + [image(settings, job.env, kind)]


def _apptainer(settings, host, job, environment):
    # The host's network in every case: a private one takes rights that users of a cluster lack.
    image = sif_path(settings, job.env, variant(settings, accelerator(settings, host)))
    words = list(TASK) + ['--image', image, 'apptainer', 'exec', '--containall', '--cleanenv', '--no-home']
    words += {'nv': ['--nv'], 'rocm': ['--rocm'], 'none': []}[accelerator(settings, host)]
    for source, target, read_only in binds(settings, host, job):
        words += ['--bind', '{}:{}{}'.format(source, target, ':ro' * read_only)]
    words += ['--pwd', CODE]
    for name, value in sorted(environment.items()):
        words += ['--env', '{}={}'.format(name, value)]
    return words + list(settings.apptainer_args) + [image]


def _passed_names(settings):
    names = set(name for name in settings.environ if not name.startswith('SLURM'))
    return sorted(names | set(rendezvous.SLURM_VARIABLES if settings.launcher == 'slurm' else ()))


def _what(settings, env, kind, runtime):
    return sif_path(settings, env, kind) if runtime == 'apptainer' else 'image ' + image(settings, env, kind)


def _missing_apptainer(settings, host, env, kind):
    sif = sif_path(settings, env, kind)
    # Under SLURM, or where the site's hook loads it, apptainer may come later; the image is on a shared folder.
    later = settings.launcher == 'slurm' or settings.site_setup
    if 'apptainer' not in host.tools and not (later and settings.runtime == 'apptainer'):
        return (Problem('apptainer is not installed', 'RUNTIME=docker or RUNTIME=native'),)
    if sif not in host.sifs:
        return (Problem('{} is missing'.format(sif), _build(kind, 'make sif', env)),)
    label = host.sifs[sif]
    if label and label != ledger.digest(env) and not settings.sif:
        return (Problem('{} was built from another ledger: its label is {}, this checkout has {}'.format(
            sif, label[:12], ledger.digest(env)[:12]), _build(kind, 'make sif', env)),)
    return ()


def _missing_docker(settings, host, env, kind):
    if settings.launcher == 'slurm' and settings.runtime == 'docker':
        return ()  # the daemons that count are those of the compute nodes
    if 'docker' not in host.tools:
        return (Problem('docker is not installed', 'RUNTIME=apptainer or RUNTIME=native'),)
    if host.daemon:
        return (Problem('the docker daemon does not answer: {}'.format(host.daemon),
                        'sudo systemctl start docker, or RUNTIME=native'),)
    name = image(settings, env, kind)
    if name not in host.images:
        return (Problem('there is no image {}'.format(name), _build(kind, 'make images', env)),)
    if host.images[name] != ledger.digest(env) and not settings.image:
        return (Problem('the image {} was built from another ledger: its label is {}, this checkout has {}'.format(
            name, host.images[name][:12] or 'empty', ledger.digest(env)[:12]), _build(kind, 'make images', env)),)
    return ()


def _missing_native(settings, host, env, kind):
    del kind, settings
    return native_problems(host, env)


def native_problems(host, env):
    """Why the native environment ``env`` cannot be used, as a tuple of at most one :class:`Problem`."""
    said = {venvs.ABSENT: 'there is no native environment {}', venvs.HALF: 'the native environment {} is half made',
            venvs.OLD: 'the native environment {} was made from other locks',
            venvs.FOREIGN: 'the folder of the native environment {} was not made by make setup'}
    state = host.venvs[env]
    return (Problem(said[state].format(env), 'make setup ENV={}'.format(env)),) if state in said else ()


def _build(kind, verb, env):
    return '{} ENV={} VARIANT={}'.format(verb, env, kind) if kind in ledger.variants() else ROCM_HINT


_MISSING = {'apptainer': _missing_apptainer, 'docker': _missing_docker, 'native': _missing_native}
