import os
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import bench


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / 'ci' / 'bench'
    folder.mkdir(parents=True)
    (folder / 'good.py').write_text('if __name__ == "__main__":\n    print("first")\n    print("2.0x | 0.1")\n')
    (folder / 'bad.py').write_text('if __name__ == "__main__":\n    raise SystemExit(4)\n')
    (folder / 'helper.py').write_text('VALUE = 1\n')
    return str(tmp_path)


def test_programs_are_benchmarks_and_helpers_are_not(root):
    assert bench.programs(root) == ['ci/bench/bad.py', 'ci/bench/good.py']


def test_none_yet(tmp_path):
    with pytest.raises(MTPError, match='not yet'):
        bench.need(str(tmp_path))


def test_what_is_printed_last_is_the_result_and_all_is_kept(root, tmp_path):
    results = [bench.measure(sys.executable, path, root, str(tmp_path / 'out')) for path in bench.programs(root)]
    assert [(each.name, each.code, each.says) for each in results] == [('bad', 4, ''), ('good', 0, '2.0x | 0.1')]
    assert (tmp_path / 'out' / 'good.txt').read_text() == 'first\n2.0x | 0.1\n'
    lines = bench.table(results).splitlines()
    assert lines[2].startswith('| bad | FAILED with exit code 4 |') and lines[3].startswith('| good | 2.0x \\| 0.1 |')
    assert not os.path.exists(os.path.join(root, 'work_dirs'))
