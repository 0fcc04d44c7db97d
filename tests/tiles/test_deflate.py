"""Codes are complete, no longer than deflate allows, and zlib reads what is written with them."""
import zlib

import numpy as np
import pytest

from mtp.tiles import deflate

COUNTS = {'none': np.zeros(256, int), 'even': np.full(256, 7), 'one': np.eye(256, dtype=int)[3] * 10 ** 6,
          'steep': np.array([int(1.6 ** min(index, 60)) for index in range(256)]),  # 60 levels deep, were it allowed
          'real': np.bincount(np.random.default_rng(0).normal(128, 9, 9999).astype(int), minlength=256)}


@pytest.mark.parametrize('name', sorted(COUNTS))
def test_codes_are_complete_and_short(name):
    code = deflate.code_for(COUNTS[name])
    lengths = code.lengths.astype(int)
    assert len(lengths) == 257 and 1 <= lengths.min() and lengths.max() <= 15
    assert sum(2.0 ** -length for length in lengths) == 1
    words = {'{:0{}b}'.format(int(bits), length)[::-1] for bits, length in zip(code.bits, lengths)}
    assert len(words) == 257 and not any(a != b and b.startswith(a) for a in words for b in words)


@pytest.mark.parametrize('name', sorted(COUNTS))
def test_zlib_reads_blocks(name):
    code, data = deflate.code_for(COUNTS[name]), bytes(range(256)) * 2 + b'\3' * 99
    value, size = 0, 0
    for last in (False, True):
        fields = [deflate.begin_block(code, last)]
        fields += [(int(code.bits[symbol]), int(code.lengths[symbol])) for symbol in data]
        fields.append((int(code.bits[deflate.END]), int(code.lengths[deflate.END])))
        for field, bits in fields:
            value |= field << size
            size += bits
    stream = value.to_bytes(-(-size // 8), 'little')
    assert zlib.decompress(stream, wbits=-15) == data * 2
