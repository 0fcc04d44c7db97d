"""Docker clients of this machine: several may be on PATH, and not each of them can build with BuildKit."""
import os
import re
import subprocess
from typing import List, Optional, Sequence, Tuple


def every(search: Optional[str] = None) -> List[str]:
    """Every docker client on PATH, in its order."""
    if not search:
        search = os.environ.get('PATH', os.defpath)
    found = [os.path.join(folder, 'docker') for folder in search.split(os.pathsep)]
    return list(dict.fromkeys(path for path in found if os.access(path, os.X_OK) and not os.path.isdir(path)))


def said(words: Sequence[str], timeout: float = 60) -> Tuple[int, str]:
    """(exit code, output) of a short command."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              encoding='utf-8', errors='replace', timeout=timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        return 1, str(error)
    return done.returncode, done.stdout


def has_buildkit(client: str) -> bool:
    """Whether ``client`` can build with BuildKit: it is built in before 23, and a plug-in from then on."""
    if said([client, 'buildx', 'version'])[0] == 0:
        return True
    version = re.search(r'version (\d+)\.', said([client, '--version'])[1])
    return version is not None and 19 <= int(version.group(1)) < 23


def builder(search: Optional[str] = None) -> Optional[str]:
    """The first client on PATH that has BuildKit; None where there is none."""
    return next((client for client in every(search) if has_buildkit(client)), None)


def answers(client: str) -> bool:
    """Whether a daemon answers this client."""
    return said([client, 'version', '--format', '{{.Server.Version}}'])[0] == 0
