import errno
import os
import subprocess
import sys

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


def test_a_folder_of_somebody_else_is_named_without_a_traceback(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'work dirs' / 'run').mkdir(parents=True)

    def fail():
        raise PermissionError(errno.EACCES, 'Permission denied', 'work dirs/run')

    with pytest.raises(SystemExit) as stop:
        run_main(fail)
    assert stop.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("error: cannot use work dirs/run: Permission denied\n  next: ls -ld ")
    assert " 'work dirs/run'; a folder of your own: MTP_WORK_ROOT=folder" in said


@pytest.mark.parametrize('error', [KeyError('x'), TypeError('x'), ValueError('x'), AttributeError('x'),
                                   RuntimeError('x')])
def test_a_defect_of_ours_keeps_its_traceback(error):
    def fail():
        raise error

    with pytest.raises(type(error)):
        run_main(fail)


def test_the_output_of_a_program_on_a_full_disk_is_told(tmp_path):
    code = 'import sys; sys.path.insert(0, {!r}); from mtp.errors import run_main; run_main(lambda: print("x" * 99))'
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    with open('/dev/full', 'w') as full:
        done = subprocess.run([sys.executable, '-c', code.format(root)], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode != 0 and b'No space left on device' in done.stderr and b'Traceback' not in done.stderr


def test_compiled_code_that_aborts_says_where_it_was_called():
    done = subprocess.run([sys.executable, '-c', 'import os\nfrom mtp.errors import run_main\n'
                           'def in_compiled_code(): os.abort()\nrun_main(in_compiled_code)'],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')
    assert done.returncode == -6
    assert 'Fatal Python error: Aborted' in done.stderr and 'in in_compiled_code' in done.stderr


@pytest.mark.parametrize('closing', ['2>&-', '2</dev/null'])
def test_nobody_needs_an_open_stderr(closing):
    command = f"{sys.executable} -c 'from mtp.errors import run_main; run_main(lambda: print(7))' {closing}"
    assert subprocess.check_output(command, shell=True, encoding='utf-8') == '7\n'


def typed(code, redirect, *words):
    """What a shell sees of ``code`` with its streams redirected: exit code, standard error."""
    line = '"$@" ' + redirect
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    code = f'import sys; sys.path.insert(0, {root!r})\nfrom mtp.errors import MTPError, run_main\n{code}'
    done = subprocess.run(['bash', '-c', line, 'bash', sys.executable, '-c', code] + list(words),
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize('redirect', ['>&-', '<&-', '>&- <&-'])
def test_a_closed_stream_is_no_fault_and_no_file_takes_its_number(tmp_path, redirect):
    code = ('def main():\n    with open(sys.argv[1], "w") as stream:\n        print("lost", flush=True)\n'
            '        import os; os.system("echo lost"); assert stream.fileno() > 2\nrun_main(main)')
    assert typed(code, redirect, str(tmp_path / 'results')) == (0, '')
    assert (tmp_path / 'results').read_text() == ''


def test_an_error_without_standard_error_keeps_its_code():
    assert typed('def main():\n    raise MTPError("x")\nrun_main(main)', '2>&-')[0] == 2


def test_an_error_that_says_no_more_shows_where_to_look(tmp_path, capsys):
    path = tmp_path / 'a label.txt'
    path.write_text('1 2\nx\n')

    def fail(text):
        with pytest.raises(SystemExit):
            run_main(lambda: (_ for _ in ()).throw(MTPError(text)))
        return capsys.readouterr().err

    assert f"\n  next: sed -n 2l '{path}' shows the line" in fail(f'{path}: line 2: no number')
    assert subprocess.check_output(['sed', '-n', '2l', str(path)]) == b'x$\n'
    (tmp_path / 'pipe').mkdir()
    assert fail('cannot read the image {}: it is a folder'.format(tmp_path / 'pipe')).endswith(
        '\n  next: ls -ld {}\n'.format(tmp_path / 'pipe'))
    (tmp_path / 'two words').mkdir()
    for name in ('two words', 'two words/none.png'):
        assert fail(f'{tmp_path / name}: it is an RGB image and/or gray').endswith(
            "\n  next: ls -ld '{}'\n".format(tmp_path / 'two words'))
    assert fail('3 is no number') == 'error: 3 is no number\n'


def test_a_line_of_megabytes_is_cut(capsys):
    with pytest.raises(SystemExit):
        run_main(lambda: (_ for _ in ()).throw(MTPError('x' * 10**6, hint='y-' * 10**6)))
    said = capsys.readouterr().err
    assert len(said) < 5000 and said.startswith('error: xxx') and '\n  next: y-y-' in said


def test_of_a_file_that_is_missing_the_folder_is_shown(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run_main(lambda: (_ for _ in ()).throw(MTPError(f'cannot read {tmp_path}/none: there is no file')))
    assert capsys.readouterr().err.endswith(f'\n  next: ls -ld {tmp_path}\n')
