import errno

import pytest

from mtp.errors import MTPError, run_main


def test_error_text_ends_with_the_next_step():
    assert str(MTPError('no data folder: data', hint='make samples')) == 'no data folder: data\n  next: make samples'


@pytest.mark.parametrize('result, code', [(None, 0), (0, 0), (75, 75)])
def test_run_main_exits_with_the_result(result, code):
    with pytest.raises(SystemExit) as stop:
        run_main(lambda: result)
    assert (stop.value.code or 0) == code


def test_run_main_shows_an_error_without_a_traceback(capsys):
    def fail():
        raise MTPError('broken', hint='mend it', code=1)

    with pytest.raises(SystemExit) as stop:
        run_main(fail)
    assert stop.value.code == 1
    assert capsys.readouterr().err == 'error: broken\n  next: mend it\n'


def test_a_full_disk_is_told_without_a_traceback(capsys):
    def fail():
        raise OSError(errno.ENOSPC, 'No space left on device', 'out.zip')

    with pytest.raises(SystemExit) as stop:
        run_main(fail)
    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith('error: cannot write out.zip: No space left on device')


def test_other_faults_of_the_system_keep_their_traceback():
    def fail():
        raise OSError(errno.EIO, 'Input/output error', 'x')

    with pytest.raises(OSError):
        run_main(fail)
