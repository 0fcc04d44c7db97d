"""The opcodes of pickle that data needs, and the walk over a program that builds nothing. Standard library only."""
import mmap
import struct
from typing import Any, Container, Dict, List, NoReturn, Optional, Set, Tuple, Union

MAX_STEPS = 20 * 10**6
MAX_MARKS = 1000  # open marks; data nests them no deeper than its containers
MAX_NAME = 200  # characters of a module's or class's name
MAX_DIGITS = 150


class Damaged(Exception):
    """It is no whole pickle of the kind that is read here."""


class Refused(Exception):
    """The pickle asks for something that is not on the list."""


Data = Union[bytes, mmap.mmap]
#: How the argument is read (a Struct, :data:`_OWN` or None), what has to be on the stack, by how much that grows.
_Entry = Tuple[Any, int, int]
# Opcode -> (how its argument is read, what it takes from the stack, what it leaves there).
# Arguments: '' none, a struct format, 'bytes:<format of the length>', 'line'. Takes: a number, or 'mark' (everything
# above the last mark) with a number of items below it.
TABLE: Dict[int, Tuple[str, Any, Any, int]] = {}


def _opcodes(text: bytes, argument: str, takes: Union[int, str], leaves: Union[int, str], below: int = 0) -> None:
    for code in text:
        TABLE[code] = (argument, takes, leaves, below)


_opcodes(b'N\x88\x89]})\x8f', '', 0, 1)  # None, True, False, [], {}, (), set()
_opcodes(b'K', '<B', 0, 1)
_opcodes(b'M', '<H', 0, 1)
_opcodes(b'J', '<i', 0, 1)
_opcodes(b'G', '>d', 0, 1)
_opcodes(b'ILFV', 'line', 0, 1)
_opcodes(b'c', 'name', 0, 1)
_opcodes(b'UC\x8c\x8a', 'bytes:<B', 0, 1)
_opcodes(b'TXB', 'bytes:<I', 0, 1)
_opcodes(b'\x8b', 'bytes:<I', 0, 1)
_opcodes(b'\x8d\x8e\x96', 'bytes:<Q', 0, 1)
_opcodes(b'\x80', '<B', 0, 0)
_opcodes(b'\x95', '<Q', 0, 0)
_opcodes(b'(', '', 0, 'mark')
_opcodes(b'0', '', 1, 0)
_opcodes(b'1', '', 'mark', 0)
_opcodes(b'ltd\x91', '', 'mark', 1)  # list, tuple, dict, frozenset
_opcodes(b'eu\x90', '', 'mark', 1, 1)  # append many, set many, add many
_opcodes(b'\x85', '', 1, 1)
_opcodes(b'\x86aRb\x81\x93', '', 2, 1)
_opcodes(b'\x87s', '', 3, 1)
_opcodes(b'pg', 'line', 0, 0)
_opcodes(b'qh', '<B', 0, 0)
_opcodes(b'rj', '<I', 0, 0)
_opcodes(b'\x94', '', 0, 0)
_opcodes(b'Q', '', 1, 1)
_opcodes(b'.', '', 1, 0)
_PUT, _GET = frozenset(b'pqr\x94'), frozenset(b'ghj')
_OTHERS = frozenset(b'ioPS2\x82\x83\x84\x92\x97\x98')  # further opcodes of pickle: classes, codes, buffers, Python 2

_FORMS = {form: struct.Struct(form) for form in ('<B', '<H', '<i', '<I', '<Q', '>d')}
_BYTE, _OWN = _FORMS['<B'], 'its own'
_MARKED = frozenset(code for code, entry in TABLE.items() if entry[1] == 'mark')
_PLACES = _PUT | _GET
_SPECIAL = _MARKED | _PLACES | frozenset(b'(c\x80\x95')  # what the scan does more than count for


def _quick() -> List[Optional[_Entry]]:
    """By opcode: how to read its argument, what has to be on the stack, and by how much the stack grows."""
    made: List[Optional[_Entry]] = [None] * 256
    for code, (kind, takes, leaves, _) in TABLE.items():
        form = None if not kind else _FORMS.get(kind, _OWN)
        if code in _MARKED or code == 0x28:
            made[code] = (form, 0, 0)
        elif code in _PUT:
            made[code] = (form, 1, 0)
        else:
            made[code] = (form, takes, leaves - takes + (code in _GET))
    return made


_QUICK = _quick()


def line(data: Data, start: int, longest: int) -> Tuple[bytes, int]:
    """(the line at ``start`` without its end, where the next one begins)."""
    stop = data.find(b'\n', start, start + longest + 1)
    if stop < 0:
        raise Damaged(f'a line without end at byte {start}')
    return data[start:stop], stop + 1


def _length(code: int, data: Data, at: int) -> Tuple[Union[bytes, Tuple[bytes, bytes]], int]:
    """(argument of an opcode with a length of its own, next place)."""
    kind = TABLE[code][0]
    if kind == 'line':
        return line(data, at, len(data) if code == 86 else MAX_DIGITS)  # V: a text
    if kind == 'name':
        module, at = line(data, at, MAX_NAME)
        name, at = line(data, at, MAX_NAME)
        return (module, name), at
    form = _FORMS[kind[6:]]
    length, = form.unpack_from(data, at)
    at += form.size
    if length > len(data) - at:
        raise Damaged(f'{length} bytes announced at byte {at}, {len(data) - at} are left')
    return data[at:at + length], at + length


def scan(data: Data, start: int = 0,  # noqa: C901 -- one rule for each kind of opcode
         names: Optional[Container[Tuple[str, str]]] = None) -> Tuple[bytearray, List[Any], int]:
    """Walk over the program at ``start`` of ``data`` and build nothing.

    Args:
        data: bytes or mmap.
        start: the first byte of the program.
        names: what a program may name; None when that is asked later.

    Returns:
        The opcodes as a bytearray, their arguments as a list of the same length, both without those that mean nothing,
        and the place after the last.

    Raises:
        Damaged, Refused: the first step that is not good.
    """
    codes, at, depth, size, table, bottom = bytearray(), start, 0, len(data), _QUICK, 0
    argument: Any
    arguments: List[Any] = []
    marks: List[int] = []
    known: Set[int] = set()
    while True:
        if at >= size:
            raise Damaged('it ends in the middle')
        code = data[at]
        entry = table[code]
        if entry is None:
            error = Refused if code in _OTHERS and at > start else Damaged
            raise error(f'the opcode {code:#04x} at byte {at}')
        form, takes, leaves = entry
        where, at = at, at + 1
        if form is None:
            argument = None
        elif form is _BYTE:
            argument = data[at] if at < size else _ends()
            at += 1
        elif form is _OWN:
            argument, at = _length(code, data, at)
        else:
            argument, = form.unpack_from(data, at)
            at += form.size
        if depth - bottom < takes:
            raise Damaged(f'nothing on the stack at byte {where}')
        depth += leaves
        if code in _SPECIAL:
            if code in _MARKED:
                if not marks:
                    raise Damaged(f'no mark at byte {where}')
                depth = marks.pop()
                bottom = marks[-1] if marks else 0
                below = TABLE[code][3]
                if depth - bottom < below:
                    raise Damaged(f'nothing on the stack at byte {where}')
                depth += TABLE[code][2] - below
            elif code == 0x28:
                if len(marks) == MAX_MARKS:
                    raise Refused(f'marks more than {MAX_MARKS} deep')
                marks.append(depth)
                bottom = depth
            elif code in _PLACES:
                argument = _place(code, argument, known, size)
            else:
                argument = _checked(code, argument, names, size - at)
                if code == 0x80 or code == 0x95:
                    continue
        codes.append(code)
        arguments.append(argument)
        if code == 46:
            if depth or marks:
                raise Damaged('something is left on the stack')
            return codes, arguments, at
        if len(codes) > MAX_STEPS:
            raise Refused(f'more than {MAX_STEPS} steps')


def _ends() -> NoReturn:
    raise Damaged('it ends in the middle')


def _checked(code: int, argument: Any, names: Optional[Container[Tuple[str, str]]], left: int) -> Any:
    """The argument of a name, of the protocol or of a frame."""
    if code == 0x80 and argument > 5:
        raise Damaged(f'protocol {argument} of pickle')
    if code == 0x95 and argument > left:
        raise Damaged('a frame longer than the file')
    if code == 99:
        argument = _named(*argument)
        if names is not None and argument not in names:
            raise Refused('.'.join(argument))
    return argument


def _named(module: bytes, name: bytes) -> Tuple[str, str]:
    try:
        return module.decode('utf-8'), name.decode('utf-8')
    except UnicodeDecodeError:
        raise Damaged('a name that is no text') from None


def _place(code: int, argument: Any, known: Set[int], size: int) -> int:
    """The place in the memory that a step writes or reads."""
    place = len(known) if code == 0x94 else _whole(argument) if code in b'pg' else argument
    if code in _PUT:
        if place > size:
            raise Refused(f'place {place} of a memory for {size} bytes')
        known.add(place)
    elif place not in known:
        raise Damaged(f'place {place} of the memory is empty')
    return place


def _whole(text: bytes) -> int:
    if not text.isdigit():
        raise Damaged(f'{len(text)} bytes that are no number')
    return int(text)
