import json
import subprocess
import sys

import pytest

from mtp import files
from mtp.adapters import passports
from tests import environments


def read(folder, kind='finetune'):
    return json.loads((folder / passports.NAMES[kind]).read_text())


def test_written_at_the_start_and_completed_at_the_end(tmp_path):
    with passports.issued('test', str(tmp_path), {'size': (1, 2), 'odd': slice(3)}, {}, processes=2) as found:
        assert read(tmp_path, 'test')['status'] == 'running' and read(tmp_path, 'test')['processes'] == 2
        found['metrics'] = passports.figures({'mAP': 0.5, 'none': float('nan')})
    said = read(tmp_path, 'test')
    assert (said['status'], said['metrics'], said['config']['size']) == ('complete', {'mAP': 0.5, 'none': None}, [1, 2])


def test_what_is_no_number_is_said_by_name():
    found = passports.figures({'changed/Fscore': float('nan'), 'changed/Precision': float('nan'), 'mIoU': 48.2})
    assert passports.without_number(found).startswith('changed/Fscore, changed/Precision: not a number.')
    assert passports.without_number({'mAP': 0.}) == ''


@pytest.mark.parametrize('error, status', [(KeyboardInterrupt, 'stopped'), (ValueError, 'failed')])
def test_a_run_that_ends_otherwise_says_so(tmp_path, error, status):
    with pytest.raises(error):
        with passports.issued('finetune', str(tmp_path), {}, {}):
            raise error
    with passports.issued('finetune', str(tmp_path), {}, {}):
        pass
    assert [run['status'] for run in read(tmp_path)['earlier']] == [status]


def test_the_other_ranks_write_nothing(tmp_path):
    with passports.issued('finetune', str(tmp_path), {}, {}, rank=1):
        assert not list(tmp_path.iterdir())


def test_the_manifest_notices_another_file(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'labels.json').write_text('{}')
    dataset = dict(data_root=str(tmp_path), data_prefix=dict(img='images'), ann_file='labels.json')
    before = passports.manifest(dataset)
    assert before['img']['files'] == 0 and before['labels']['sha256']
    (tmp_path / 'images' / 'a.png').write_text('x')
    after = passports.manifest(dataset)
    assert after['img']['files'] == 1 and after['img']['names_and_sizes'] != before['img']['names_and_sizes']


def test_what_a_run_starts_from(tmp_path):
    (tmp_path / 'a.pth').write_text('x')
    assert len(passports.checkpoint(str(tmp_path / 'a.pth'))['sha256']) == 64
    assert passports.checkpoint(None) is None


def test_what_a_killed_test_left_of_its_passport_goes_with_the_next_one(tmp_path):
    """The folder's lock is not taken by a test, as a training may go on beside it."""
    code = 'import sys; from mtp import files; open(files.temporary_of(sys.argv[1]), "w")'
    subprocess.check_call([sys.executable, '-c', code, str(tmp_path / 'passport-test.json')], cwd=environments.ROOT)
    mine = files.temporary_of(str(tmp_path / 'passport.json'))  # of a process that lives: a training
    open(mine, 'w').close()
    assert len(list(tmp_path.iterdir())) == 2
    with passports.issued('test', str(tmp_path), {}, {}):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(['passport-test.json', mine.rsplit('/', 1)[1]])
