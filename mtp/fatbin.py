"""For which NVIDIA cards a shared object has machine code, read from its section ``.nv_fatbin``.

The section is a row of containers, one for each compiled file. A container is a header (magic number, version, size of
the header, size of what follows) and entries, each with a header of its own that says what it is (PTX or machine code)
and for which architecture. NVIDIA documents no more than its tool ``cuobjdump --list-elf``, which says the same.

Standard library only, Python >= 3.6.
"""
import mmap
import os
import struct
from typing import Dict, List, Set, Tuple, Union

SECTION = '.nv_fatbin'
MAGIC = 0xBA55ED50
CONTAINER = struct.Struct('<IHHQ')  # magic, version, bytes of this header, bytes of all entries
ENTRY = struct.Struct('<HHIQIIHHI')  # kind, -, bytes of this header, bytes that follow, -, -, -, -, architecture
PTX, CODE = 1, 2
Architecture = Tuple[int, int]  # (8, 6): major and minor number
ELF, ROW = struct.Struct('<16sHHIQQQIHHHHHH'), struct.Struct('<IIQQQQIIQQ')


class Unreadable(ValueError):
    """The file is no shared object, or its device code is of a form that is not known here."""


def section(data: Union[bytes, mmap.mmap]) -> Tuple[int, int]:
    """(start, end) of SECTION in the bytes of a 64-bit ELF file; (0, 0) where it has none.

    Raises:
        Unreadable: it is no such file, or damaged.
    """
    if data[:6] != b'\x7fELF\x02\x01':
        raise Unreadable('it is no 64-bit ELF file')
    try:
        head = ELF.unpack_from(data)
        rows = [ROW.unpack_from(data, head[6] + index * head[11]) for index in range(head[12])]
        names = rows[head[13]][4] if rows else 0
        for row in rows:
            if data[names + row[0]:names + row[0] + len(SECTION) + 1] == SECTION.encode('ascii') + b'\0':
                return row[4], row[4] + row[5]
    except (struct.error, IndexError):
        raise Unreadable('its table of sections is damaged')
    return 0, 0


def containers(path: str) -> List[Tuple[Set[Architecture], Set[Architecture]]]:
    """Architectures of each container of the file ``path``: a list of (machine code, PTX), sets of ``(8, 6)``.

    Raises:
        Unreadable: the file is no shared object, or its device code cannot be read.
        OSError: it cannot be opened.
    """
    with open(path, 'rb') as stream:
        if os.fstat(stream.fileno()).st_size == 0:
            raise Unreadable('it is empty')
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            at, end = section(data)
            found = []
            while at + CONTAINER.size <= end:
                if data[at:at + 4] == bytes(4):  # between containers, to the next multiple of eight
                    at += 4
                    continue
                magic, _, header, size = CONTAINER.unpack_from(data, at)
                if magic != MAGIC or at + header + size > end:
                    raise Unreadable('its device code is of a form that is not known here')
                found.append(_entries(data, at + header, at + header + size))
                at += header + size
    return found


def _entries(data: mmap.mmap, at: int, end: int) -> Tuple[Set[Architecture], Set[Architecture]]:
    found: Dict[int, Set[Architecture]] = {CODE: set(), PTX: set()}
    while at + ENTRY.size <= end:
        kind, _, header, size, _, _, _, _, architecture = ENTRY.unpack_from(data, at)
        if header < ENTRY.size:
            raise Unreadable('an entry of its device code is damaged')
        found.setdefault(kind, set()).add(divmod(architecture, 10))
        at += header + size
    return found[CODE], found[PTX]


def architectures(path: str) -> List[Architecture]:
    """Architectures for which every container of ``path`` has machine code, sorted; [] without device code."""
    each = [code for code, _ in containers(path) if code]
    return sorted(set.intersection(*each)) if each else []
