"""Is what a pickle has built a tree that one can print, copy and walk? Standard library only.

A pickle refers to what it has made before in two bytes. So a kilobyte can describe a list of lists of lists that nobody
gets to the end of, one that holds itself, or one so deep that printing it overflows the stack of C.
"""
from typing import Any, Callable, Dict, Iterable, Sequence, Set, Tuple

from mtp.pickled.machine import Maker
from mtp.pickled.program import Refused

Inside = Sequence[Tuple[type, Callable[[Any], Iterable[Any]]]]  # what lists the parts of an object of that type

MAX_DEPTH = 100
PER_BYTE, ALLOWANCE = 64, 1 << 16  # size of the tree, written out: per byte of the pickle, and for free
_LEAVES = (type(None), bool, int, float, complex, slice, Maker)
_TEXTS = (str, bytes, bytearray)
_LISTS = (list, tuple, set, frozenset)


def measure(value: Any, size: int, leaves: Iterable[type] = (), inside: Inside = ()) -> None:
    """Refuse a tree that is too deep or too large to be handled.

    Args:
        value: what the pickle has built.
        size: bytes of the pickle.
        leaves: further types that hold nothing that counts.
        inside: pairs (type, function that lists what an object of it holds).

    Raises:
        Refused: it is deeper than MAX_DEPTH, holds itself, is far larger than the pickle when shared parts are counted
            each time, or holds something of another type.
    """
    limit = PER_BYTE * size + ALLOWANCE
    leaves = _LEAVES + tuple(leaves)
    plain = frozenset(leaves)
    known: Dict[int, Tuple[int, int]] = {}  # id -> (size, height) of containers
    open_now: Set[int] = set()  # ids of those that are being walked
    frames = [_frame((value,), None)]
    while True:
        frame = frames[-1]
        for child in frame.rest:
            kind = type(child)
            if kind in _TEXTS:
                frame.size += 1 + len(child)
            elif kind in plain:
                frame.size += 1
            elif id(child) in known:
                size, height = known[id(child)]
                frame.size += size
                frame.height = max(frame.height, height + 1)
            elif id(child) in open_now:
                raise Refused(f'a {kind.__name__} that holds itself')
            elif isinstance(child, leaves):
                frame.size += 1
            else:
                if len(frames) > MAX_DEPTH:
                    raise Refused(f'containers more than {MAX_DEPTH} deep')
                open_now.add(id(child))
                frames.append(_frame(_held(child, inside), child))
                break
            if frame.size > limit:
                raise Refused(f'shared parts that make it more than {PER_BYTE} times as large as the file')
        else:
            frames.pop()
            if not frames:
                return
            above = frames[-1]
            above.size += frame.size
            above.height = max(above.height, frame.height + 1)
            if len(frames) + frame.height > MAX_DEPTH:
                raise Refused(f'containers more than {MAX_DEPTH} deep')
            if above.size > limit:
                raise Refused(f'shared parts that make it more than {PER_BYTE} times as large as the file')
            open_now.discard(id(frame.owner))
            known[id(frame.owner)] = frame.size, frame.height


class _frame:  # noqa: N801  (made a million times)
    __slots__ = ('rest', 'owner', 'size', 'height')

    def __init__(self, items: Iterable[Any], owner: Any) -> None:
        self.rest, self.owner, self.size, self.height = iter(items), owner, 1, 0


def _held(value: Any, inside: Inside) -> Iterable[Any]:
    if isinstance(value, dict):
        held = list(value) + list(value.values())
        metadata = getattr(value, '_metadata', None)  # of torch's state dicts
        return held if metadata is None else held + [metadata]
    if isinstance(value, _LISTS):
        return value
    for kind, list_held in inside:
        if isinstance(value, kind):
            return list_held(value)
    raise Refused(f'a {type(value).__name__}')
