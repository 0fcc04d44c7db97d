"""The machine for pickles of strangers: values come back equal, attacks end in one of its two errors."""

import collections
import os
import pickle
import sys

import numpy as np
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import opcodes  # noqa: E402

from mtp.pickled import Damaged, Refused, Steps, arrays, measure, plain  # noqa: E402

NAMES = {**arrays.NAMES, **plain.NAMES}
ATTACKS = dict(opcodes.attacks())


def read(data):
    value = Steps(data, 0, NAMES).run(encoding='latin1')
    measure(value, len(data), arrays.LEAVES)
    return value


VALUES = [
    {
        'a': [1, 2.5, None, True, 'x\n\u03b1', b'\x00\xff', b'', (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        3: -(2**40),
        'b': 2**200,
    },
    collections.OrderedDict(b=1, a=[{1, 2}, frozenset('ab'), set()]),
    collections.Counter('aab'),
    bytearray(b'ab'),
    1 + 2j,
    [slice(1, None, 2), 1e300, -1, 65000, 255, 'long' * 100, b'long' * 100],
    list(range(3000)),
    {i: str(i) for i in range(3000)},
]


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('number', range(len(VALUES)))
def test_values_come_back_as_they_were(protocol, number):
    back = read(pickle.dumps(VALUES[number], protocol))
    assert back == VALUES[number] and type(back) is type(VALUES[number])


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    'value',
    [
        np.arange(6.0).reshape(2, 3),
        np.arange(6, dtype='>i2').reshape(3, 2).T,
        np.zeros((0, 5), np.float32),
        np.array(True),
        np.array(['a', 'bcd']),
        np.array([b'x']),
        np.float32(2.5),
        np.int64(-3),
        np.bool_(True),
        np.array([1 + 2j]),
    ],
)
def test_arrays_come_back_as_they_were(protocol, value):
    back = read(pickle.dumps(value, protocol))
    assert type(back) is type(value) and back.dtype == value.dtype and back.shape == value.shape
    assert (back == value).all() and (not back.ndim or back.flags.owndata)


@pytest.mark.parametrize('what', sorted(ATTACKS))
def test_an_attack_is_an_error_of_ours(what):
    with pytest.raises((Damaged, Refused)):
        read(opcodes.program(ATTACKS[what]))


def test_a_shared_part_stays_shared():
    part = [1]
    back = read(pickle.dumps([part, part]))
    assert back[0] is back[1]


def test_nothing_is_built_before_the_whole_was_looked_through(monkeypatch):
    def never(self, *_):
        raise AssertionError('it was run')

    monkeypatch.setattr(Steps, 'run', never)
    with pytest.raises(Refused, match='posix.system'):
        Steps(
            opcodes.program(opcodes.listed(opcodes.call(opcodes.name('posix', 'system'), opcodes.text('id')))), 0, NAMES
        )


def test_no_class_of_python_is_changed():
    before = dict(vars(collections.Counter))
    state = opcodes.many(opcodes.NONE, opcodes.pairs((opcodes.text('most_common'), opcodes.NONE)))
    with pytest.raises(Refused, match='a change of Counter'):
        read(opcodes.program(opcodes.build(opcodes.name('collections', 'Counter'), state)))
    assert dict(vars(collections.Counter)) == before


def test_text_of_a_thousand_references_is_too_much_only_when_it_is_long():
    short, long = [['name'] * 1000, ['n' * 10**5] * 1000]
    assert read(pickle.dumps(short, 2)) == short
    with pytest.raises(Refused, match='shared parts'):
        read(pickle.dumps(long, 2))
