"""Parts of a map are whole, of this prediction, or not there."""
import numpy as np
import pytest

from mtp.errors import MTPError
from mtp.tiles import parts

NUMBERS = np.random.default_rng(0).integers(0, 5, (2, 7, 30), dtype=np.uint8)


def test_written_and_read(tmp_path):
    path = parts.path_of(str(tmp_path), 'a b', 3)
    assert not parts.is_done(path, 'mark')
    parts.write(path, NUMBERS, 'mark')
    found, mark = parts.read(path)
    assert mark == 'mark' and (found == NUMBERS).all() and parts.is_done(path, 'mark')


@pytest.mark.parametrize('damage', ['short', 'a byte', 'empty', 'text'])
def test_a_damaged_part_is_none(tmp_path, damage):
    path = tmp_path / '000000.part'
    parts.write(str(path), NUMBERS, 'mark')
    data = path.read_bytes()
    path.write_bytes({'short': data[:-3], 'a byte': data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], 'empty': b'',
                      'text': b'not a part of ours at all'}[damage])
    assert parts.read(str(path)) is None and not parts.is_done(str(path), 'mark')


def test_a_part_of_another_prediction_is_refused(tmp_path):
    path = parts.path_of(str(tmp_path / 'shards'), 'a', 0)
    parts.write(path, NUMBERS, 'one')
    with pytest.raises(MTPError, match='belongs to another prediction .one., this one is two') as told:
        parts.is_done(path, 'two')
    assert told.value.hint.endswith('remove ' + str(tmp_path / 'shards'))
