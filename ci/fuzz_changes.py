"""How a whole file becomes a damaged or hostile one: the same bytes for the same seed."""

import io
import pickletools
import random
import struct
import zipfile

TOKENS = [
    b'nan',
    b'-1',
    b'1e999',
    b'inf',
    b'',
    b'<',
    b'>',
    b'</object>',
    b'<object>',
    b'&lol;',
    b'\0',
    b'\xff\xfe',
    b'[',
    b'{',
    b'"',
    b',',
    b'9' * 400,
    b'<!DOCTYPE a [<!ENTITY lol "lol">]>',
    b'true',
    b'null',
    b'../../etc/passwd',
    b'\xe9',
    b'\x1b[2J',
    b'[' * 5000,
    b'{"a":' * 5000,
    b'\xff' * 8,
    b'\x7f\xff\xff\xff',
    b'\0' * 64,
]
NUMBERS = [0, 1, 2, 255, 256, 2**15, 2**16, 2**28, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1]


def flip(draw, data):
    changed = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def bit(draw, data):
    changed = bytearray(data)
    changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def insert(draw, data):
    at = draw.randrange(len(data) + 1)
    return data[:at] + draw.choice(TOKENS) + data[at:]


def number(draw, data):
    """Four or eight bytes become a number that is a limit of something."""
    size = draw.choice([1, 2, 4, 8])
    at = draw.randrange(max(1, len(data) - size))
    value = draw.choice(NUMBERS) % (1 << 8 * size)
    return data[:at] + value.to_bytes(size, draw.choice(['little', 'big'])) + data[at + size :]


def digits(draw, data):
    """One run of digits becomes a token."""
    places = [index for index, byte in enumerate(data[:100000]) if 48 <= byte <= 57]
    if not places:
        return data
    start = stop = draw.choice(places)
    while stop < len(data) and 48 <= data[stop] <= 57:
        stop += 1
    return data[:start] + draw.choice(TOKENS) + data[stop:]


def swap(draw, data):
    a, b, c = sorted(draw.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def repeat(draw, data):
    a, b = sorted(draw.randrange(len(data) + 1) for _ in range(2))
    return data[:b] + data[a:b] * draw.randint(1, 20) + data[b:]


def cut(draw, data):
    return data[: draw.randrange(len(data) + 1)]


def tail(draw, data):
    return data[draw.randrange(len(data)) :]


def recode(draw, data):
    text = data.decode('latin-1')
    return draw.choice(
        [
            b'\xef\xbb\xbf' + data,
            text.encode('utf-16'),
            data.replace(b'\n', b'\r\n'),
            data.replace(b'\n', b'\r'),
            text.encode('utf-32-be'),
        ]
    )


PLAIN = [flip, flip, bit, bit, insert, number, number, digits, swap, repeat, cut, tail, recode, lambda *_: b'']


def mutate(draw, data):
    """One to three changes of the bytes."""
    for _ in range(draw.randint(1, 3)):
        if data:
            data = draw.choice(PLAIN)(draw, data)[: 4 << 20]
    return data


def opcodes(data):
    """A whole pickle as a list of its steps, each the bytes of an opcode and its argument."""
    places = [place for _, _, place in pickletools.genops(data)] + [len(data)]
    return [data[a:b] for a, b in zip(places, places[1:])]


_FRAGMENTS = [
    b'N',
    b'\x88',
    b'(',
    b'0',
    b'1',
    b'2',
    b't',
    b'l',
    b'd',
    b'e',
    b'u',
    b's',
    b'a',
    b'R',
    b'b',
    b'\x81',
    b'\x85',
    b'\x86',
    b'\x87',
    b']',
    b'}',
    b')',
    b'\x8f',
    b'\x90',
    b'\x91',
    b'Q',
    b'\x94',
    b'h\x00',
    b'h\x01',
    b'q\x01',
    b'j\xff\xff\xff\x0f',
    b'r\xff\xff\xff\x0f',
    b'X\x01\0\0\0a',
    b'\x93',
    b'.',
    b'\x8e' + b'\xff' * 8,
    b'C\x04abcd',
    b'G\x7f\xf8\0\0\0\0\0\0',
    b'\x8a\x09' + b'\xff' * 8 + b'\x7f',
]
_NAMES = [
    b'cposix\nsystem\n',
    b'cbuiltins\neval\n',
    b'ccollections\nOrderedDict\n',
    b'ccollections\nCounter\n',
    b'ccollections\ndefaultdict\n',
    b'cnumpy\ndtype\n',
    b'cnumpy\nndarray\n',
    b'cnumpy.core.multiarray\n_reconstruct\n',
    b'cnumpy.core.multiarray\nscalar\n',
    b'c_codecs\nencode\n',
    b'cbuiltins\nbytearray\n',
    b'cbuiltins\nset\n',
    b'ctorch._utils\n_rebuild_tensor_v2\n',
    b'ctorch._utils\n_rebuild_parameter\n',
    b'ctorch\nSize\n',
    b'ctorch\nFloatStorage\n',
    b'ctorch\nBoolStorage\n',
    b'ctorch\nComplexDoubleStorage\n',
    b'cargparse\nNamespace\n',
    b'cbuiltins\ngetattr\n',
    b'cmmengine.logging.history_buffer\nHistoryBuffer\n',
    b'ctorch\ndevice\n',
]


def _whole(draw):
    value = draw.choice(NUMBERS) * draw.choice([1, 1, 1, -1])
    size = max(1, (value.bit_length() + 8) // 8)
    return b'\x8a' + bytes([size]) + value.to_bytes(size, 'little', signed=True)


def restep(draw, data, attacks=()):
    """A pickle whose steps are dropped, doubled, exchanged, replaced; now and then with an attack among them."""
    steps = opcodes(data)
    for _ in range(draw.randint(1, 5)):
        at, other = draw.randrange(len(steps)), draw.randrange(len(steps))
        what = draw.randrange(8)
        if what == 0:
            del steps[at]
        elif what == 1:
            steps.insert(at, steps[other])
        elif what == 2:
            steps[at], steps[other] = steps[other], steps[at]
        elif what == 3:
            steps[at] = draw.choice(_FRAGMENTS)
        elif what == 4:
            steps.insert(at, draw.choice(_FRAGMENTS + _NAMES))
        elif what == 5:
            counts = [index for index, step in enumerate(steps) if step[:1] in (b'K', b'M', b'J', b'\x8a')]
            steps[draw.choice(counts or [at])] = _whole(draw)
        elif what == 6:
            names = [index for index, step in enumerate(steps) if step[:1] == b'c']
            steps[draw.choice(names or [at])] = draw.choice(_NAMES)
        elif attacks:
            steps[at:at] = [draw.choice(attacks), b'0'][: draw.randint(1, 2)]
        steps = steps or [b'.']
    return b''.join(steps)


def rezip(draw, data, attacks=()):
    """A checkpoint whose pickle is changed step by step, or whose members are, with check sums that are right."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    members = [[info.filename, source.read(info), info.compress_type] for info in source.infolist()]
    pickled = next(member for member in members if member[0].endswith('data.pkl'))
    what = draw.randrange(10)
    if what < 7:
        pickled[1] = restep(draw, pickled[1], attacks)
    elif what == 7:
        pickled[1] = mutate(draw, pickled[1])
    elif what == 8:
        chosen = draw.choice(members)
        chosen[1] = mutate(draw, chosen[1])
    else:
        chosen = draw.choice(members)
        chosen[draw.choice([0, 2])] = draw.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
        chosen[0] = chosen[0] if isinstance(chosen[0], str) else draw.choice(members[1:])[0]
        chosen[2] = chosen[2] if isinstance(chosen[2], int) else 0
    with zipfile.ZipFile(target, 'w') as archive:
        for name, content, compress in members:
            archive.writestr(str(name), content, compress)
    made = target.getvalue()
    return mutate(draw, made) if draw.random() < 0.1 else made


def relegacy(draw, data, attacks=()):
    """As :func:`rezip` for the legacy format: one of its pickles is changed, or a storage."""
    starts, at = [], 0
    for _ in range(5):
        start = at
        at = next(place for code, _, place in pickletools.genops(data[start:]) if code.name == 'STOP') + start + 1
        starts.append((start, at))
    first, last = starts[draw.choice([3, 3, 3, 4, draw.randrange(5)])]
    if draw.random() < 0.15:
        return data[:at] + mutate(draw, data[at:]) + struct.pack('<q', draw.choice(NUMBERS))
    return data[:first] + restep(draw, data[first:last], attacks) + data[last:]


def case(seed, name, index, data, special=None):
    """The bytes of one case of a reader: half of them by its own kind of change, where there is one."""
    draw = random.Random(f'{seed}/{name}/{index}')
    if special is not None and draw.random() < 0.6:
        return special(draw, data)[: 8 << 20]
    return mutate(draw, data)
