"""Take out of an environment what its variant can never use, as the ledger's ``drops`` of that variant declare.

    python3 -m mtp.launch.ledger --drops mmrotate1 cpu >drops.json
    python docker/slim.py --drops drops.json --packages /opt/venv/lib/python3.8/site-packages --report dropped.json

The package index has one torch 1.10.0, with the code of NVIDIA's cards in it: most of its bytes. Its libraries cannot
be left out, because ``libtorch_cpu`` takes 38 functions of MKL from ``libtorch_cuda``. So files that nothing loads are
removed, and the libraries that stay lose two things: the machine code of cards, and what the loader never maps (tables
of symbols and lines, for debuggers). The code that a processor runs stays as it is, bit for bit.

Runs in the image build, and stands alone there: what else of our code changes makes no environment anew. Standard
library only; the same input gives the same bytes.
"""
import argparse
import glob
import hashlib
import json
import os
import shutil
import struct
import sys
from typing import Dict, List, NamedTuple, Tuple

LOAD = 1  # type of a segment that is mapped
HEADER, SEGMENT, SECTION = struct.Struct('<16sHHIQQQIHHHHHH'), struct.Struct('<IIQQQQQQ'), struct.Struct('<IIQQQQIIQQ')
DEVICE_CODE = ('.nv_fatbin', '__nv_relfatbin')  # sections with what runs on a card alone


class Refused(Exception):
    """What was found is not what the ledger speaks of."""


Segment = NamedTuple('Segment', [('kind', int), ('flags', int), ('offset', int), ('address', int), ('physical', int),
                                 ('size', int), ('memory', int), ('align', int)])


def header(data: bytes) -> Tuple:
    """Fields of the ELF header.

    Raises:
        Refused: ``data`` is no shared object of this kind of machine (64 bits, little endian).
    """
    if data[:6] != b'\x7fELF\x02\x01':
        raise Refused('it is no 64-bit ELF file')
    return HEADER.unpack_from(data)


def segments(data: bytes) -> List[Segment]:
    """The program header table."""
    found = header(data)
    return [Segment(*SEGMENT.unpack_from(data, found[5] + index * found[9])) for index in range(found[10])]


def sections(data: bytes) -> Dict[str, Tuple[int, int]]:
    """``{name: (offset, size)}`` of the sections."""
    found = header(data)
    rows = [SECTION.unpack_from(data, found[6] + index * found[11]) for index in range(found[12])]
    if not rows:
        return {}
    start, size = rows[found[13]][4:6]
    names = data[start:start + size]
    return {names[row[0]:names.index(b'\0', row[0])].decode(): (row[4], row[5]) for row in rows}


def holes(data: bytes) -> List[Tuple[int, int]]:
    """(start, end) of the device code inside mapped segments, on whole pages of the segment; nothing smaller."""
    found = []
    for name, (offset, size) in sections(data).items():
        inside = [each for each in segments(data) if each.kind == LOAD and each.offset <= offset and
                  offset + size <= each.offset + each.size]
        if name in DEVICE_CODE and inside:
            page = inside[0].align
            start, end = -(-offset // page) * page, (offset + size) // page * page
            found += [(start, end)] if end > start else []
    return sorted(found)


def cut(segment: Segment, gaps: List[Tuple[int, int]]) -> List[Segment]:
    """A mapped segment as the pieces that are left of it. A gap becomes zeros that take memory when read, which
    nothing does: addresses stay as they were, so no code changes."""
    parts, rest = [], segment
    for start, end in gaps:
        if rest.offset <= start and end <= rest.offset + rest.size:
            here, skipped = start - rest.offset, end - rest.offset
            parts.append(rest._replace(size=here, memory=skipped))
            rest = rest._replace(offset=end, address=rest.address + skipped, physical=rest.physical + skipped,
                                 size=rest.size - skipped, memory=rest.memory - skipped)
    return parts + [rest]


def slim(data: bytes) -> bytes:
    """The shared object ``data`` without device code and without what is not mapped.

    Where the file has no room for another program header (small ones are made so), its device code stays; where a tool
    has put the program headers elsewhere than behind the file's own, all of it.

    Raises:
        Refused: it is no ELF file.
    """
    if not sections(data):
        return data  # made slim before
    table = pieces(data, holes(data))
    if HEADER.size + len(table) * SEGMENT.size > min(offset for offset, _ in sections(data).values() if offset):
        table = pieces(data, [])
    made, moved = packed(data, table)
    head = list(header(data))
    if head[5] != HEADER.size:
        return data  # its program headers stand where another tool has put them
    head[6] = head[12] = head[13] = 0  # sections are for linkers and debuggers
    head[10] = len(table)
    made[:HEADER.size] = HEADER.pack(*head)
    for index, each in enumerate(table):
        SEGMENT.pack_into(made, head[5] + index * SEGMENT.size, *each._replace(offset=shifted(each, moved)))
    return bytes(made)


def pieces(data: bytes, gaps: List[Tuple[int, int]]) -> List[Segment]:
    """The program header table with mapped segments cut at ``gaps``."""
    return [piece for each in segments(data) for piece in (cut(each, gaps) if each.kind == LOAD else [each])]


def packed(data: bytes, table: List[Segment]) -> Tuple[bytearray, List[Tuple[int, int, int]]]:
    """What is mapped, close together, and (old offset, size, by how much it moved) of each part."""
    made, moved = bytearray(), []
    for offset, size, align in sorted({(each.offset, each.size, each.align) for each in table if each.kind == LOAD}):
        made += bytes(-(len(made) - offset) % align)  # the loader wants offset and address alike within a page
        moved.append((offset, size, len(made) - offset))
        made += data[offset:offset + size]
    return made, moved


def shifted(segment: Segment, moved: List[Tuple[int, int, int]]) -> int:
    """Offset of ``segment`` after the move."""
    for offset, size, by in moved:
        if offset <= segment.offset and segment.offset + segment.size <= offset + size:
            return segment.offset + by
    if segment.size:
        raise Refused('a segment at {:#x} lies in no mapped one'.format(segment.offset))
    return 0


def apply(packages: str, drops: List[Dict]) -> List[Dict]:
    """Do what ``drops`` say below the folder ``packages``; returns what was done, for the bill of materials.

    Raises:
        Refused: a pattern meets nothing: then the ledger speaks of another torch than the one installed.
    """
    done = []
    for drop in drops:
        found = sorted(glob.glob(os.path.join(glob.escape(packages), drop['files']), recursive=True))
        if not found:
            raise Refused('nothing matches {files}: correct "drops" in docker/environments.json'.format(**drop))
        done += [take(packages, path, drop) for path in found if not os.path.islink(path)]
    return [each for each in done if each['bytes']]


def take(packages: str, path: str, drop: Dict) -> Dict:
    """Remove one file or folder, or make it slim; returns the record of it."""
    record = {'path': os.path.relpath(path, packages), 'reason': drop['reason'], 'how': drop['how']}
    before = size(path)
    if drop['how'] == 'slim':
        record['was'] = sha256(path)
        with open(path, 'rb') as stream:
            data = stream.read()
        rights = os.stat(path).st_mode
        with open(path + '.new', 'wb') as stream:
            stream.write(slim(data))
        os.chmod(path + '.new', rights & 0o7777)
        os.replace(path + '.new', path)
        record['is'] = sha256(path)
    elif os.path.isdir(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)
    return dict(record, bytes=before - (size(path) if os.path.exists(path) else 0))


def sha256(path: str) -> str:
    """Hex SHA-256 of a file."""
    with open(path, 'rb') as stream:
        return hashlib.sha256(stream.read()).hexdigest()


def size(path: str) -> int:
    """Bytes of a file, or of all files of a folder."""
    if not os.path.isdir(path):
        return os.path.getsize(path)
    return sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(path) for name in names)


def main(argv=None):
    """Take out of the installed packages what the variant can never use."""
    parser = argparse.ArgumentParser(prog='slim.py', description=main.__doc__)
    parser.add_argument('--drops', required=True, help='file with what the ledger says')
    parser.add_argument('--packages', required=True, help='folder of the installed packages')
    parser.add_argument('--report', required=True, help='file for what was done')
    options = parser.parse_args(argv)
    with open(options.drops, encoding='utf-8') as stream:
        drops = json.load(stream)
    try:
        done = apply(options.packages, drops)
    except Refused as error:
        return 'error: {}'.format(error)
    with open(options.report, 'w', encoding='utf-8') as stream:
        json.dump(done, stream, indent=1)
    print('{} files and folders, {:.2f} GB less'.format(len(done), sum(each['bytes'] for each in done) / 1e9))
    return 0


if __name__ == '__main__':
    sys.exit(main())
