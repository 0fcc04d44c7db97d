"""A disk that takes no more: one sentence, and nothing cut short under a name for people. Real limits of the kernel."""
import json
import os
import re
import subprocess
import sys

import pytest

from tests import environments

pytest.importorskip('rasterio')
NAMES = {'map': 'map.tif', 'package': 'all.gpkg'}
HERE = os.path.dirname(os.path.abspath(__file__))


def answers(module, cases):
    done = subprocess.run([sys.executable, '-W', 'ignore', os.path.join(HERE, 'limited.py'), module],
                          input=json.dumps(cases).encode(), stdout=subprocess.PIPE, cwd=environments.ROOT, check=True,
                          env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=HERE, PYTHONWARNINGS='ignore'))
    return json.loads(done.stdout.decode())


@pytest.mark.parametrize('kind', sorted(NAMES))
def test_a_limit_on_the_size_of_a_file(tmp_path, kind):
    """Also where only the last bytes are missing, which are written when the file is closed."""
    folders = [tmp_path / str(number) for number in range(6)]
    for folder in folders:
        folder.mkdir()
    assert answers('written', [dict(call='written:main', words=[kind, str(folders[0])])]) == [[0, '']]
    whole = (folders[0] / NAMES[kind]).read_bytes()
    limits = [len(whole) // 3, len(whole) * 2 // 3, len(whole) - 5000, len(whole) - 100]
    told = answers('written', [dict(call='written:main', words=[kind, str(folder)], limits=dict(FSIZE=limit))
                               for folder, limit in zip(folders[1:], limits)] + [
        dict(call='written:main', words=[kind, str(folders[5])], limits=dict(FSIZE=len(whole) + 4096))])
    for folder, (code, said) in zip(folders[1:5], told):
        assert (code, said.count('error: '), 'Traceback' in said) == (1, 1, False), said
        assert told_of(said).startswith(f'error: cannot write {folder / NAMES[kind]}: ')
        assert '  next: df -h . ; ulimit -f : make room' in said
        assert [path.name for path in folder.rglob('*') if path.is_file()] == []
    assert told[4] == [0, ''] and (folders[5] / NAMES[kind]).read_bytes() == whole


@pytest.mark.parametrize('kind', sorted(NAMES))
@pytest.mark.parametrize('taken', [0, 500000, 900000])
def test_a_full_disk(small_disk, kind, taken):
    (small_disk / 'theirs').write_bytes(os.urandom(taken))
    (code, said), = answers('written', [dict(call='written:main', words=[kind, str(small_disk)])])
    held = [path.name for path in small_disk.rglob('*') if path.is_file()]
    if code == 0:  # it fits beside what was there
        assert kind == 'package' and taken == 0 and sorted(held) == ['all.gpkg', 'theirs']
        return
    assert (code, 'Traceback' in said) == (1, False) and told_of(said).startswith('error: cannot write {}'.format(
        small_disk / NAMES[kind])), said
    assert held == ['theirs']


def told_of(said):
    """What we say, without the lines that newer GDAL prints before."""
    return re.sub(r'^(_tiff\w+: [^\n]*\n)+', '', said)
