"""Pickles made opcode by opcode, for what no pickler writes."""

import pickle
import struct
import zipfile

MAGIC = 0x1950A86A20F9469CFC6C
NONE, TRUE, FALSE, OBJECT = b'N', b'\x88', b'\x89', b')'


def name(module, word):
    return b'c' + module.encode() + b'\n' + word.encode() + b'\n'


def text(value):
    data = value.encode('utf-8', 'surrogatepass')
    return b'X' + struct.pack('<I', len(data)) + data


def number(value):
    if isinstance(value, float):
        return b'G' + struct.pack('>d', value)
    if -(2**31) <= value < 2**31:
        return b'J' + struct.pack('<i', value)
    data = value.to_bytes((value.bit_length() + 8) // 8, 'little', signed=True)
    return b'\x8a' + bytes([len(data)]) + data


def raw(data):
    return b'B' + struct.pack('<I', len(data)) + data


def many(*items):
    return b'(' + b''.join(items) + b't'


def listed(*items):
    return b'](' + b''.join(items) + b'e'


def pairs(*items):
    return b'}(' + b''.join(key + value for key, value in items) + b'u'


def call(function, *arguments):
    return function + many(*arguments) + b'R'


def build(target, state):
    return target + state + b'b'


def put(place):
    return b'q' + bytes([place])


def get(place):
    return b'h' + bytes([place])


def program(body, protocol=2):
    return b'\x80' + bytes([protocol]) + body + b'.'


def storage(key='0', kind='FloatStorage', numel=4):
    return many(text('storage'), name('torch', kind), text(key), text('cpu'), number(numel)) + b'Q'


ORDERED = call(name('collections', 'OrderedDict'))


def tensor(store, offset, size, stride):
    return call(
        name('torch._utils', '_rebuild_tensor_v2'),
        store,
        number(offset),
        many(*map(number, size)),
        many(*map(number, stride)),
        FALSE,
        ORDERED,
    )


GOOD = tensor(storage(), 0, (4,), (1,))
BYTES = {'0': struct.pack('<4f', 1, 2, 3, 4)}


def checkpoint(*entries, **top):
    """Body of a checkpoint with these pairs in its state dict."""
    return pairs((text('state_dict'), pairs(*entries)), *[(text(key), value) for key, value in top.items()])


def zipped(path, body, storages=BYTES, compress=zipfile.ZIP_STORED, extra=()):
    with zipfile.ZipFile(str(path), 'w', compress) as archive:
        archive.writestr('archive/data.pkl', program(body))
        for key, data in storages.items():
            archive.writestr('archive/data/' + key, data)
        for member, data in extra:
            archive.writestr(member, data)
    return str(path)


def legacy(path, body, keys=(), storages=()):
    parts = [pickle.dumps(value, 2) for value in (MAGIC, 1001, {'little_endian': True})]
    parts += [program(body), pickle.dumps(list(keys), 2)] + [struct.pack('<q', n) + data for n, data in storages]
    with open(str(path), 'wb') as stream:
        stream.write(b''.join(parts))
    return str(path)


# NumPy's dtypes that lie: a state that says "no objects here" over fields or parts that are objects
O8 = call(name('numpy', 'dtype'), text('O8'), FALSE, TRUE)


def void(*state):
    return build(call(name('numpy', 'dtype'), text('V8'), FALSE, TRUE), many(*state))


FIELDS = void(
    number(3),
    text('|'),
    NONE,
    many(text('f')),
    pairs((text('f'), many(O8, number(0)))),
    number(8),
    number(1),
    number(0),
)
PARTS = void(number(3), text('|'), many(O8, many(number(1))), NONE, NONE, number(8), number(1), number(0))


def plain_dtype(word, order='<', size=-1):
    return build(
        call(name('numpy', 'dtype'), text(word), FALSE, TRUE),
        many(number(3), text(order), NONE, NONE, NONE, number(size), number(-1), number(0)),
    )


def array(dtype, shape, data):
    empty = call(name('numpy.core.multiarray', '_reconstruct'), name('numpy', 'ndarray'), many(number(0)), raw(b'b'))
    return build(empty, many(number(1), many(*map(number, shape)), dtype, FALSE, raw(data)))


def scalar(dtype, data):
    return call(name('numpy.core.multiarray', 'scalar'), dtype, raw(data))


def laughs(levels=28):
    made = listed(text('x' * 10)) + put(200)
    for _ in range(levels):
        made = listed(made, get(200)) + put(200)
    return made


def attacks():
    """(what it is, body) of values that are refused wherever a pickle is read. Each is under a megabyte or two."""
    yield 'a call of posix.system', call(name('posix', 'system'), text('id'))
    yield 'eval', call(name('builtins', 'eval'), text('1'))
    yield 'a name with a dot', text('collections') + text('OrderedDict.fromkeys') + b'\x93' + many(text('ab')) + b'R'
    yield 'INST', b'(' + text('id') + b'iposix\nsystem\n'
    yield 'EXT1', b'\x82\x01'
    yield 'a change of a class', build(name('collections', 'OrderedDict'), many(NONE, pairs((text('get'), NONE))))
    yield 'a change of a function', build(name('_codecs', 'encode'), pairs((text('x'), NONE)))
    yield 'a scalar of fields that lie', scalar(FIELDS, b'A' * 8)
    yield 'a scalar of parts that lie', scalar(PARTS, b'A' * 8)
    yield 'an array of fields that lie', array(FIELDS, (1,), b'A' * 8)
    yield 'an array of objects', array(O8, (1,), b'A' * 8)
    yield 'an array longer than its bytes', array(plain_dtype('f8'), (10**9,), b'A' * 8)
    yield 'an array without elements and without end', array(plain_dtype('f8'), (0, 2**62, 2**62), b'')
    yield 'a dtype of a text of another size', array(plain_dtype('S4', '|', 2**30), (1,), b'AAAA')
    yield 'a text of characters that do not exist', array(plain_dtype('U1', '<', 4), (1,), b'\xff\xff\xff\x7f')
    yield 'a dtype of many fields', call(name('numpy', 'dtype'), text(','.join(['f8'] * 100000)))
    yield 'bytes by the number', call(name('builtins', 'bytes'), number(6 * 10**9))
    yield 'a memory of 2^28 places', NONE + b'r' + struct.pack('<I', 2**28)
    yield 'a place in three million digits', NONE + b'p' + b'9' * 3000000 + b'\n'
    yield 'a number of three million digits', b'I' + b'9' * 3000000 + b'\n'
    yield 'a number of 64 KiB', b'\x8b' + struct.pack('<I', 1 << 16) + b'\x7f' * (1 << 16)
    yield 'a text of 2^40 bytes', b'\x8d' + struct.pack('<Q', 2**40) + b'x'
    yield 'a frame of 2^40 bytes', b'\x95' + struct.pack('<Q', 2**40) + NONE
    yield 'a list of lists of lists', laughs()
    yield 'a key nested deep', b'}' + b')' + b'\x85' * 100000 + NONE + b's'
    yield 'a list nested deep', b']' * 100000 + b'a' * 99999
    yield 'a list that holds itself', b']' + put(210) + get(210) + b'a'
    yield 'an array as a key', pairs((array(plain_dtype('f8'), (1,), b'A' * 8), NONE))
    yield 'keys that are no numbers', pairs(*[(number(float('nan')), NONE)] * 3)
    yield 'keys whose hashes are equal', pairs((number(2**61 - 1), NONE), (number(2 * (2**61 - 1)), NONE))
    yield 'an item of something that is no list', ORDERED + NONE + b'a'
    yield 'a pair without a dict', b']' + NONE + NONE + b's'
    yield 'nothing on the stack', b'R'
    yield 'a mark that is not there', b't'
    yield 'a place that is empty', get(99)
    yield 'text that is none', b'X\x02\0\0\0\xed\xa0'
    yield 'a surrogate', text('w\ud800')
