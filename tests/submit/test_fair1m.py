"""The zip of FAIR1M-2.0 is the same whoever makes its XML, and never in memory as a whole."""
import time
import zipfile

import numpy as np
import pytest
from PIL import Image

from mtp.submit import fair1m

IMAGES, EACH = 31, 7


@pytest.fixture
def given(tmp_path, monkeypatch):
    """Paths of images, and the detections in them; some have none."""
    Image.new('L', (300, 200)).save(str(tmp_path / 'a.tif'))
    monkeypatch.setattr(fair1m, '_BLOCK', 4)
    monkeypatch.setattr(time, 'localtime', lambda: time.gmtime(10 ** 9))  # members carry the time
    rng, n = np.random.default_rng(0), IMAGES * EACH
    box = np.column_stack([rng.uniform(0, 300, (n, 2)), rng.uniform(5, 60, (n, 2)), rng.uniform(-1.5, 1.5, n)])
    rows = {str(number): range(number * EACH, number * EACH + EACH) for number in range(IMAGES) if number % 5}
    return {str(number): str(tmp_path / 'a.tif') for number in range(IMAGES)}, fair1m.Columns(
        ('Small Car', 'Van'), rows, rng.integers(0, 2, n), rng.random(n).astype(np.float32), box, fair1m.AS_TEXT)


def test_the_zip_does_not_depend_on_the_number_of_processes(tmp_path, given):
    for jobs in (1, 3):
        fair1m.write_zip(str(tmp_path / f'{jobs}.zip'), *given, jobs)
    assert (tmp_path / '1.zip').read_bytes() == (tmp_path / '3.zip').read_bytes()
    with zipfile.ZipFile(str(tmp_path / '3.zip')) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f'test/{number}.xml' for number in range(IMAGES)]
        for member in archive.infolist():
            assert member.compress_type == zipfile.ZIP_DEFLATED and member.external_attr >> 16 == 0o644
            number = int(member.filename[5:-4])
            text = archive.read(member).decode()
            assert text.count('<object>') == (EACH if number % 5 else 0)
            for row in given[1].rows.get(str(number), ()):
                assert f'<probability>{float(given[1].score[row])!r}</probability>' in text


@pytest.mark.parametrize('jobs', [1, 2])
def test_few_images_are_in_memory_at_a_time(tmp_path, given, jobs, monkeypatch):
    begun, written, ahead = [], [], []
    task, writestr = fair1m._task, zipfile.ZipFile.writestr

    def counted_task(block, *others):
        begun.extend(block)
        ahead.append(len(begun) - len(written))
        return task(block, *others)

    def counted_writestr(archive, member, text):
        written.append(member.filename)
        writestr(archive, member, text)
    monkeypatch.setattr(fair1m, '_task', counted_task)
    monkeypatch.setattr(zipfile.ZipFile, 'writestr', counted_writestr)
    fair1m.write_zip(str(tmp_path / 'a.zip'), *given, jobs)
    assert len(written) == len(begun) == IMAGES
    assert max(ahead) <= fair1m._BLOCK * (1 if jobs == 1 else 2 * jobs + 2)
