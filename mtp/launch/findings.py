"""One finding of ``make doctor``, and what several of its judges say."""
from typing import NamedTuple

PASS, WARN, FAIL = 'pass', 'warn', 'fail'
SHM_BYTES = 2 << 30  # the workers of one training hand their batches over in shared memory

Finding = NamedTuple('Finding', [('status', str), ('what', str), ('says', str), ('next', str)])


def good(what: str, says: str) -> Finding:
    """A finding that needs nothing."""
    return Finding(PASS, what, says, '')


def warn(what: str, says: str, following: str = '') -> Finding:
    """A finding that stops nothing."""
    return Finding(WARN, what, says, following)


def fail(what: str, says: str, following: str) -> Finding:
    """A finding that stops the work, and the next command."""
    return Finding(FAIL, what, says, following)


def shared_memory(what: str, size: int) -> Finding:
    """Whether ``size`` bytes of /dev/shm are enough."""
    said = f'{size / 1e9:.1f} GB in /dev/shm'
    return good(what, said) if size >= SHM_BYTES else warn(
        what, said, 'sudo mount -o remount,size=8G /dev/shm, or fewer WORKERS')
