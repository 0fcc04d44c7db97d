import os
import pickle

import numpy as np
import pytest

from mtp.data import pickles
from mtp.errors import MTPError


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_containers_numbers_and_arrays_pass(tmp_path, protocol):
    value = [{'a': np.arange(6, dtype=np.float32).reshape(2, 3), 'b': np.int64(4), 'c': ('x', 1.5, None, True)}]
    path = tmp_path / 'x.pkl'
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    read = pickles.load(path)
    np.testing.assert_array_equal(read[0]['a'], value[0]['a'])
    assert read[0]['b'] == 4 and read[0]['c'] == value[0]['c']


class _Harm:

    def __reduce__(self):
        return os.mkdir, ('harm-done',)


def test_code_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'x.pkl').write_bytes(pickle.dumps([_Harm()]))
    with pytest.raises(MTPError, match='x.pkl.*mkdir'):
        pickles.load('x.pkl')
    assert not os.path.exists('harm-done')


@pytest.mark.parametrize('damage', [lambda data: data[:20], lambda data: b'', lambda data: b'\xff' + data])
def test_damage_is_our_error(tmp_path, damage):
    path = tmp_path / 'x.pkl'
    path.write_bytes(damage(pickle.dumps([{'mask': 'x' * 50}])))
    with pytest.raises(MTPError, match='x.pkl'):
        pickles.load(path)


def test_the_real_result_list_is_read(real):
    results = pickles.load(real('fair1m', 'mmrotate_results', 'out.pkl'))
    assert len(results) == 161
    # the published text of the same run keeps the scores above 0.3
    with open(real('fair1m', 'mmrotate_results', 'Task1_Airplane.txt')) as stream:
        lines = stream.readlines()
    assert sum(int((rows[:, 5] > 0.3).sum()) for image in results for rows in image) == len(lines) == 468
