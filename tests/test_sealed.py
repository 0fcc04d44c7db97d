"""State files of ours are read as a stranger's: what is damaged is named, and never taken for good."""
import json

import pytest

from mtp import sealed

RECORDS = [dict(step=1, loss=0.1 + 0.2, note='a, {b'), dict(step=2, scores={'1': [1, None]}, name='\u00fc')]


def flipped(path):
    """The file with one bit of each byte turned, one after the other."""
    whole = path.read_bytes()
    for place in range(len(whole)):
        data = bytearray(whole)
        data[place] ^= 1 << place % 8
        path.write_bytes(bytes(data))
        yield
    path.write_bytes(whole)


def test_what_is_written_is_read_without_its_seal(tmp_path):
    path = str(tmp_path / 'a')
    sealed.write(path, RECORDS[0])
    assert sealed.read(path) == RECORDS[0]
    sealed.write_list(path, RECORDS)
    assert sealed.read_list(path) == RECORDS and len(json.loads(open(path).read())) == 2
    (tmp_path / 'a').write_text(''.join(map(sealed.line, RECORDS)))
    assert sealed.lines(path) == RECORDS
    gone = str(tmp_path / 'gone')
    assert sealed.read(gone) is None and sealed.lines(gone) == [] and sealed.read_list(gone) == []


@pytest.mark.parametrize('write, read', [
    (sealed.write_list, sealed.read_list),
    (lambda path, records: open(path, 'w').write(''.join(map(sealed.line, records))), sealed.lines)])
def test_a_flipped_bit_costs_a_record_and_is_said_or_costs_nothing(tmp_path, write, read):
    path, said = tmp_path / 'list', []
    write(str(path), RECORDS)
    for _ in flipped(path):
        said.clear()
        found = read(str(path), said.append)
        assert all(record in RECORDS for record in found)
        assert len(found) == 2 or len(said) == 1 and 'damaged' in said[0] or _is_cut(path)


def _is_cut(path):
    """The line feed behind the last line is gone, or the last line: as a kill leaves a log."""
    return not path.read_bytes().endswith(b'\n')


def test_a_flipped_bit_of_a_single_record_is_said(tmp_path):
    path, said = tmp_path / 'one', []
    sealed.write(str(path), RECORDS[1])
    for _ in flipped(path):
        said.clear()
        assert sealed.read(str(path), said.append) == RECORDS[1] or said


@pytest.mark.parametrize('text', ['', '[', 'null', '[1, {}]', '[' * 100000, '{"a": 1}', '\ufffd\x00', '"x"'])
def test_whatever_lies_there_is_no_traceback(tmp_path, text):
    path, said = tmp_path / 'any', []
    path.write_text(text)
    for read in (sealed.read, sealed.read_list, sealed.lines):
        read(str(path), said.append)


def test_a_record_from_before_is_taken_as_it_is(tmp_path):
    (tmp_path / 'old').write_text('{"step": 3}\n{"step": 4}\n{"st')
    assert sealed.lines(str(tmp_path / 'old')) == [{'step': 3}, {'step': 4}]
