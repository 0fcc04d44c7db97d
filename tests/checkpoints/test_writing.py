"""A disk that is truly full: the command says so, ends by itself, and what was there before is whole."""
import os
import subprocess
import sys

import pytest

torch = pytest.importorskip('torch')

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAVE = """
import sys, torch
from mtp.checkpoints.writing import save
from mtp.errors import run_main
run_main(lambda: save(sys.argv[1], {'weight': torch.zeros(int(sys.argv[2]))}, overwrite=True))
"""


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_checkpoint_that_does_not_fit(small_disk, suffix):
    if suffix == '.safetensors':
        pytest.importorskip('safetensors')
    target = small_disk / ('c' + suffix)

    def saved(numbers):
        return subprocess.run([sys.executable, '-c', SAVE, str(target), str(numbers)], cwd=ROOT, stderr=subprocess.PIPE)

    assert saved(1000).returncode == 0
    before = target.read_bytes()
    done = saved(1000000)
    assert done.returncode == 1 and b'No space left on device' in done.stderr and b'next: ' in done.stderr
    assert b'Traceback' not in done.stderr and target.read_bytes() == before
    assert os.listdir(str(small_disk)) == [target.name]


@pytest.mark.parametrize('name, data', [('notes.txt', b'mine'), ('a.pth', b''), ('a.safetensors', b'x' * 100)])
def test_a_file_that_is_no_checkpoint_is_never_replaced(tmp_path, name, data):
    from mtp.checkpoints.writing import save
    from mtp.errors import MTPError
    (tmp_path / name).write_bytes(data)
    with pytest.raises(MTPError, match='is no checkpoint: it is left alone'):
        save(str(tmp_path / name), {'weight': torch.zeros(1)}, overwrite=True)
    assert (tmp_path / name).read_bytes() == data
    for whole in ('b.pth', 'b.safetensors'):
        save(str(tmp_path / whole), {'weight': torch.zeros(1)})
        save(str(tmp_path / whole), {'weight': torch.ones(1)}, overwrite=True)


def test_the_same_weights_and_facts_make_the_same_bytes(tmp_path):
    """The safetensors package writes facts in another order each time."""
    package = pytest.importorskip('safetensors')
    from mtp.checkpoints.writing import save
    facts = {f'key{number}': 'é"\\\n\x01' * number for number in range(9)}
    weights = {name: torch.arange(5.) for name in ('b', 'a', 'ü')}
    for number in range(4):
        save(str(tmp_path / f'{number}.safetensors'), weights, facts)
    assert len({(tmp_path / f'{number}.safetensors').read_bytes() for number in range(4)}) == 1
    with package.safe_open(str(tmp_path / '0.safetensors'), framework='pt') as archive:
        assert archive.metadata() == facts and set(archive.keys()) == set(weights)
        assert all(torch.equal(archive.get_tensor(name), weights[name]) for name in weights)
