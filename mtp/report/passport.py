"""The passport of a run: what was run, with what, on what, and what came out. Written at its start, completed at its end."""
import datetime
import hashlib
import os
import platform
import subprocess
import sys

from mtp import files
from mtp.launch import ledger

PACKAGES = ('torch', 'torchvision', 'numpy', 'cv2', 'mmcv', 'mmengine', 'mmdet', 'mmseg', 'mmrotate', 'mmpretrain', 'timm')
MANY = 1000  # beyond this many files only their number and one hash over all hashes are kept


class Passport:
    """One run's passport at ``path`` (JSON).

    Args:
        path: the file.
        **facts: what is known at the start (settings, data, seed ...).
    """

    def __init__(self, path, **facts):
        self.path = path
        self.content = dict(started=_now(), finished=None, status='running', command=[sys.executable] + sys.argv,
                            environment=environment(), code=code(), hardware=hardware(), **facts)
        self.write()

    def write(self):
        files.write_json(self.path, self.content)

    def complete(self, status, **facts):
        """Add the end of the run: ``status`` (complete, stopped, failed) and what came out."""
        self.content.update(facts, finished=_now(), status=status)
        self.write()


def _now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec='seconds')


def environment():
    """Hash of the ledger and the versions of what is imported or can be."""
    versions = {'python': platform.python_version()}
    for name in PACKAGES:
        module = sys.modules.get(name)
        if module is not None:
            versions[name] = str(getattr(module, '__version__', 'unknown'))
    return dict(ledger=ledger.digest(), image=os.environ.get('MTP_IMAGE'), versions=versions)


def code():
    """Git commit of this package and whether files differ from it; None where it is not a git checkout."""
    root = ledger.ROOT

    def git(*words):
        found = subprocess.run(('git', '-C', root) + words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30)
        return found.stdout.decode().strip() if found.returncode == 0 else None

    try:
        commit = git('rev-parse', 'HEAD')
        return None if commit is None else dict(commit=commit, dirty=bool(git('status', '--porcelain', '-uno')))
    except (OSError, subprocess.TimeoutExpired):
        return None


def hardware():
    """Processor, memory and GPUs of this machine."""
    found = dict(machine=platform.machine(), system=platform.platform(), cpus=os.cpu_count())
    torch = sys.modules.get('torch')
    if torch is not None:
        found['threads'] = torch.get_num_threads()
        found['gpus'] = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return found


def manifest(paths):
    """Number, total bytes and SHA-256 of ``paths``; of each one unless they are many."""
    hashes = {os.path.basename(path): files.sha256(path) for path in paths}
    found = dict(files=len(paths), bytes=sum(os.path.getsize(path) for path in paths), sha256=_joint(hashes))
    if len(paths) <= MANY:
        found['each'] = hashes
    return found


def _joint(hashes):
    return hashlib.sha256('\n'.join('{} {}'.format(name, value) for name, value in sorted(hashes.items())).encode()).hexdigest()
