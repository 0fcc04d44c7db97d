"""In what a run happens: image, ledger, versions, code, machine and nodes, as values that JSON can hold."""
import glob
import hashlib
import os
import platform
import socket
import subprocess
import sys
from typing import Any, Dict, Iterable, List, Mapping, Optional, Tuple

from mtp import files, paths
from mtp.distributed import hostlist
from mtp.launch import ledger

IMAGE_PREFIX = '/opt/venv'  # where an image of ours, and nothing else, keeps its Python packages
SBOM = '/opt/sbom/sbom.cdx.json'
# What the launcher tells a container about itself, for nothing inside can know it.
IMAGE, REVISION = 'MTP_IMAGE', 'MTP_REVISION'
# Settings of the machine that may change the last bits of a sum.
VARIABLES = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'CUDA_VISIBLE_DEVICES', 'CUBLAS_WORKSPACE_CONFIG', 'MKL_CBWR',
             'ATEN_CPU_CAPABILITY')


def environment() -> Dict[str, Any]:
    """``name``, ``ledger`` (hash of what the environment is made from), ``image``, ``sbom`` and all ``versions``.

    ``standing`` where the numbers of this environment are not for the record, ``foreign`` where other code runs.
    """
    versions, foreign = loaded(distributions())
    name = _name(versions)
    known = name if name in ledger.names() else None
    further = dict(standing=known and ledger.standing(known), foreign=foreign)
    return dict(name=name, ledger=ledger.digest(known), image=image(),
                sbom=files.sha256(SBOM) if inside() and os.path.exists(SBOM) else None,
                versions=dict(versions, python=platform.python_version()),
                **{key: value for key, value in further.items() if value})


def _name(versions: Iterable[str]) -> Optional[str]:
    return os.environ.get('MTP_ENV') or next((env for env in map(ledger.of_package, versions) if env), None)


def standing() -> str:
    """What has to be said beside every number of this Python; '' where they count, or it is of no environment."""
    try:
        name = _name(distributions())
    except ImportError:  # the Python of a login node, which computes nothing
        return ''
    return ledger.standing(name) if name in ledger.names() else ''


def loaded(versions: Mapping[str, str]) -> Tuple[Dict[str, str], Dict[str, str]]:
    """(``versions`` with those of the modules that run, {module: file} of those that lie outside this environment).

    What is installed need not be what runs: a folder in PYTHONPATH, or a script's own, comes before it.
    """
    running, foreign = dict(versions), {}
    for module, names in toolboxes().items():
        here = sys.modules.get(module)
        path, version = getattr(here, '__file__', None), getattr(here, '__version__', None)
        if not path or not version:
            continue
        if not os.path.realpath(path).startswith(os.path.realpath(sys.prefix) + os.sep):
            foreign[module] = path
            name = next((each for each in names if each in versions), names[0])
            running[name] = f'{version} from {path}'
    return running, foreign


def toolboxes() -> Dict[str, Tuple[str, ...]]:
    """``{module: names of its distributions}`` of what the ledger pins, and so of all on which numbers depend."""
    packages: Dict[str, List[str]] = {}
    for env in ledger.names():
        for package in ledger.environment(env)['packages']:
            packages.setdefault(ledger.module(package), []).append(package)
    return {module: tuple(dict.fromkeys(names)) for module, names in packages.items()}


def inside() -> bool:
    """Whether this process runs in an image of ours."""
    return sys.prefix == IMAGE_PREFIX


def image() -> Dict[str, Optional[str]]:
    """``runtime``, ``name`` and ``digest`` of the image around this process; only the runtime is known natively.

    The digest is that of the docker image, or the SHA-256 of the SIF; None where a container was started by hand.
    """
    if not inside():
        return dict(runtime='native', name=None, digest=None)
    sif = os.environ.get('APPTAINER_CONTAINER') or os.environ.get('SINGULARITY_CONTAINER')
    name, _, digest = os.environ.get(IMAGE, '').partition('@')
    told = os.environ.get('MTP_RUNTIME') or ('podman' if os.environ.get('container') == 'podman' else 'docker')
    runtime = 'apptainer' if sif else told
    return dict(runtime=runtime, name=name or (os.path.basename(sif) if sif else None),
                digest=digest or None)


def distributions() -> Dict[str, str]:
    """``{name: version}`` of every Python distribution that is installed."""
    from importlib.metadata import distributions as found
    return {
        name: version
        for name, version in sorted((each.metadata['Name'], each.version) for each in found()) if name
    }


def code() -> Dict[str, Any]:
    """``commit`` of this package, whether files differ from it (``dirty``), and ``sha256`` of the files that run.

    The commit is None where nobody knows it. An image has no git: there the launcher says it.
    """
    revision = os.environ.get(REVISION) if inside() else _git('describe', '--always', '--dirty', '--abbrev=40',
                                                              '--exclude=*')
    commit, dash, _ = (revision or '').partition('-dirty')
    return dict(commit=None if commit in ('', 'unknown') else commit, dirty=bool(dash), sha256=content())


def content() -> str:
    """SHA-256 over names and bytes of every Python file of the package and its programs."""
    places = [os.path.join(ledger.ROOT, part) for part in ('mtp', 'tools', 'scripts', 'main_pretrain.py')]
    found = [path for place in places for path in (glob.glob(os.path.join(place, '**', '*.py'), recursive=True)
                                                   if os.path.isdir(place) else [place]) if os.path.exists(path)]
    lines = [f'{os.path.relpath(path, ledger.ROOT)} {files.sha256(path)}\n' for path in sorted(found)]
    return hashlib.sha256(''.join(lines).encode('utf-8')).hexdigest()


def _git(*words: str) -> Optional[str]:
    try:
        found = subprocess.run(('git', '-C', ledger.ROOT) + words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.decode().strip() if found.returncode == 0 else None


def hardware() -> Dict[str, Any]:
    """Processor, cores and GPUs of this machine, and how many threads compute."""
    facts: Dict[str, Any] = dict(machine=platform.machine(), system=platform.platform(), processor=processor(),
                                 cpus=os.cpu_count())
    torch = sys.modules.get('torch')
    if torch is not None:
        facts['threads'] = torch.get_num_threads()
        facts['gpus'] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return facts


def processor() -> Optional[str]:
    """Model of the processor, as Linux calls it."""
    try:
        with open('/proc/cpuinfo') as stream:
            return next((line.split(':', 1)[1].strip() for line in stream if line.startswith('model name')), None)
    except OSError:
        return None


def nodes() -> List[str]:
    """Names of the machines of this job, the first one first."""
    listed = os.environ.get('SLURM_STEP_NODELIST') or os.environ.get('SLURM_JOB_NODELIST')
    return hostlist.expand(listed) if listed else [socket.gethostname()]


def variables() -> Dict[str, str]:
    """Those of VARIABLES that are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def command() -> List[str]:
    """The command line, with what lies in the checkout by its place there."""
    return [word[len(ledger.ROOT) + 1:] if word.startswith(ledger.ROOT + os.sep) else word
            for word in map(paths.short, [sys.executable] + sys.argv)]


def roots(path: str) -> Dict[str, str]:
    """Where data, weights, results and code lie for this process, as seen from the folder of the passport ``path``.

    A replay looks there for the data. Where they lie in an image says nothing of the machine: there it is the short
    form.
    """
    if inside():
        return dict({kind: kind for kind in paths.VARIABLES}, code='.')
    found = dict({kind: paths.root(kind) for kind in paths.VARIABLES}, code=ledger.ROOT)
    return {kind: os.path.relpath(folder, os.path.dirname(os.path.abspath(path))) for kind, folder in found.items()}
