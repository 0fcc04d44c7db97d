"""Real faults of files, bytes and the machine end as one sentence that names the file and what to type."""
import errno
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from concurrent.futures.process import BrokenProcessPool

import pytest

from mtp import faults, files, workers
from mtp.errors import MTPError
from tests import ordinary

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def said(function, *arguments):
    with pytest.raises(MTPError) as told, faults.explained():
        function(*arguments)
    assert told.value.code and told.value.hint
    return str(told.value)


def read(path):
    with open(str(path), 'rb') as stream:
        return stream.read()


def unpack(path):
    return zlib.decompress(read(path))


def text(path):
    return read(path).decode('utf-8')


def first_member(path):
    with zipfile.ZipFile(str(path)) as archive:
        return archive.read(archive.namelist()[0])


def header(path):
    return struct.unpack('<Q', read(path)[:3])


def members(path):
    return tarfile.open(str(path)).getnames()


def links(folder):
    os.symlink('loop', str(folder / 'loop'))
    return folder / 'loop'


@pytest.mark.parametrize('make, what', [
    (lambda folder: folder, 'Is a directory'),
    (lambda folder: folder / 'none', 'No such file'),
    (lambda folder: folder / 'file' / 'below', 'Not a directory'),
    (lambda folder: folder / ('x' * 300), 'name too long'),
    (links, 'symbolic links')])
def test_the_system_names_the_file(tmp_path, make, what):
    (tmp_path / 'file').write_text('')
    told = said(read, make(tmp_path))
    assert what in told and told.startswith(f'cannot use {tmp_path}')


@pytest.mark.parametrize('reader', [unpack, text, first_member, header, members])
def test_bytes_that_no_decoder_takes_name_their_file(tmp_path, reader):
    path = tmp_path / 'odd file'
    path.write_bytes(b'\xff\x00\x01' * 20)
    told = said(reader, path)
    assert told.startswith(f'{path} is damaged') and f"'{path}'" in told


def test_a_zip_whose_directory_lies_about_its_place(tmp_path):
    """zipfile seeks before the start of the file: EINVAL, and no name."""
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(str(path), 'w') as archive:
        archive.writestr('x', 'y' * 100)
    data = bytearray(path.read_bytes())
    at = data.rindex(b'PK\x05\x06')
    data[at + 16:at + 20] = struct.pack('<I', 3)  # where the directory begins
    path.write_bytes(bytes(data))
    told = said(first_member, path)
    assert str(path) in told


def test_too_many_open_files_say_so():
    code = (f'import resource, sys; sys.path.insert(0, {ROOT!r})\n'
            'from mtp.errors import run_main\n'
            'resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n'
            'run_main(lambda: [open("/dev/null") for _ in range(99)])')
    done = subprocess.run([sys.executable, '-c', code], stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr == (b'error: cannot use /dev/null: Too many open files\n'
                           b'  next: ulimit -n 4096, then start the same command again\n')


def test_a_full_disk_is_told_and_keeps_what_was_there(small_disk):
    target = small_disk / 'results.json'
    files.write_text(target, 'old')
    told = said(files.write_bytes, target, b'x' * (2 << 20))
    assert 'No space left on device' in told and 'make room' in told
    assert target.read_text() == 'old' and os.listdir(str(small_disk)) == ['results.json']
    assert told.startswith(f'cannot write {target}: ')


def test_memory_and_workers_that_are_gone():
    def fails(error):
        raise error

    assert '--jobs 1' in said(fails, MemoryError()) and '--jobs 1' in said(fails, BrokenProcessPool('x'))


@pytest.mark.parametrize('words, hint', [
    ('DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader\'s workers are out of '
     'shared memory.', 'SHM_SIZE'), ('unable to write to file </torch_7_1>: unable to open shared memory object',
                                     'SHM_SIZE'),
    ('received 0 items of ancdata', 'ulimit -n'), ('DataLoader worker (pid(s) 7) exited unexpectedly', 'WORKERS=1'),
    ('[enforce fail at inline_container.cc:300] . unexpected pos 64 vs 0', 'make room')])
def test_what_torch_says_of_the_machine(words, hint):
    def fails():
        raise RuntimeError(words)

    assert hint in said(fails)


@pytest.mark.parametrize('error', [KeyError('x'), RuntimeError('x'), AssertionError(), ValueError('x')])
def test_a_defect_stays_what_it_is(error):
    with pytest.raises(type(error)), faults.explained():
        raise error


def test_a_worker_says_which_file(tmp_path):
    (tmp_path / 'a').write_bytes(b'no')
    (tmp_path / 'b').write_bytes(zlib.compress(b'yes'))
    with pytest.raises(MTPError, match='a is damaged'):
        list(workers.run(unpack, [tmp_path / 'a', tmp_path / 'b'], 2))


def test_the_traceback_is_there_for_who_asks(monkeypatch):
    monkeypatch.setenv(faults.VARIABLE, '1')
    with pytest.raises(OSError), faults.explained():
        raise OSError(errno.EIO, 'Input/output error', 'x')


def test_a_full_disk_blames_no_file_that_is_only_read(tmp_path):
    def inspect(path):
        with open('/dev/full', 'w') as stream:
            stream.write('x' * 10000)

    (tmp_path / 'weights.pth').write_text('')
    told = said(inspect, str(tmp_path / 'weights.pth'))
    assert 'No space left on device' in told and 'weights.pth' not in told


def test_a_current_folder_that_is_gone_is_told(tmp_path, monkeypatch):
    (tmp_path / 'gone').mkdir()
    monkeypatch.chdir(tmp_path / 'gone')
    os.rmdir(str(tmp_path / 'gone'))

    def absolute(path):
        return os.path.abspath(path)

    assert said(absolute, 'x').startswith('the current folder is there no more')
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize('ending, says', [
    ('', 'shared memory'), (': Permission denied (13)', 'shared memory'),
    (': Too many open files (24)', 'Too many open files')])
def test_a_segment_that_is_not_opened_for_want_of_a_descriptor(ending, says):
    told = faults.told(RuntimeError('unable to open shared memory object </torch_7_0> in read-write mode' + ending))
    assert says in str(told).partition(':')[0] and ('ulimit -n 4096' in told.hint) == (says != 'shared memory')


def of(error):
    """An error of ours that a reader has made of ``error``."""
    try:
        raise error
    except OSError as inner:
        try:
            raise MTPError(f'cannot read a.png: {inner.strerror}', hint='mend it, or leave it out') from None
        except MTPError as outer:
            return outer


@pytest.mark.parametrize('number, typed', [
    (errno.EMFILE, 'ulimit -n 4096'), (errno.ENFILE, 'close other programs'), (errno.ENOMEM, 'fewer processes'),
    (errno.ESTALE, 'start the same command again')])
def test_of_a_limit_of_the_machine_no_file_is_to_be_mended(number, typed):
    def fails():
        raise of(OSError(number, os.strerror(number)))

    told = said(fails)
    assert told.startswith(f'cannot read a.png: {os.strerror(number)}\n') and typed in told and 'mend' not in told
    with pytest.raises(faults.MachineError) as raised:
        faults.stop_at_a_limit(of(OSError(number, 'x')))
    again = pickle.loads(pickle.dumps(raised.value))  # as it comes from a worker
    assert (type(again), str(again)) == (faults.MachineError, str(raised.value))


@pytest.mark.parametrize('number', [errno.ENOENT, errno.EACCES, errno.EIO])
def test_of_a_file_that_cannot_be_read_the_reader_says_what_to_do(number):
    def fails():
        raise of(OSError(number, os.strerror(number)))

    assert said(fails) == f'cannot read a.png: {os.strerror(number)}\n  next: mend it, or leave it out'
    faults.stop_at_a_limit(of(OSError(number, 'x')))  # it may be passed over


def test_what_lies_in_a_folder_that_may_not_be_entered_is_not_only_said_to_be_missing(tmp_path):
    inside = tmp_path / 'a b' / 'images' / 'x.png'
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b'')
    os.chmod(str(tmp_path / 'a b'), 0o600)
    code = (f'import os, sys; sys.path.insert(0, {ROOT!r})\n'
            'from mtp.errors import MTPError, run_main\n'
            f'path = {str(inside)!r}\n'
            'assert not os.path.isfile(path), "it may be entered"\n'
            'def main():\n'
            '    raise MTPError(f"the image {path} is missing", hint="look for it")\n'
            'run_main(main)')
    done = subprocess.run([sys.executable, '-c', code], stderr=subprocess.PIPE, preexec_fn=ordinary.become)
    os.chmod(str(tmp_path / 'a b'), 0o700)
    if b'it may be entered' in done.stderr:
        pytest.skip('this process may enter every folder')
    folder = tmp_path / 'a b'
    assert done.stderr.decode() == (f"error: the image {inside} is missing (you may not enter {folder})\n"
                                    f"  next: ls -ld '{folder}'\n")


CLOSED = """
import sys
sys.path.insert(0, {root!r})
from mtp.errors import run_main
{program}
"""
READS = 'run_main(lambda: open(sys.argv[1]).close())'
TESTED = """from mtp.adapters import inference
def main():
    try:
        open(sys.argv[1]).close()
    except OSError as error:
        inference.say_broken([inference.broken(sys.argv[1], error)])
run_main(main)"""


@pytest.mark.parametrize('program, hint', [
    (READS, 'ls -ld {0}: you may not read it; where it is yours: chmod u+r {0}'),
    (TESTED, 'ls -ld {0}: you may not read it, mend that, and start the same command again: it does what is missing')])
def test_a_file_that_may_not_be_read_is_not_to_be_replaced_or_put_elsewhere(tmp_path, program, hint):
    path = tmp_path / 'a b.png'
    path.write_text('')
    os.chmod(str(path), 0)
    done = subprocess.run([sys.executable, '-c', CLOSED.format(root=ROOT, program=program), str(path)],
                          stderr=subprocess.PIPE, universal_newlines=True, preexec_fn=ordinary.become)
    if not done.returncode:
        pytest.skip('this process may read everything')
    assert done.stderr.endswith('\n  next: ' + hint.format(f"'{path}'") + '\n'), done.stderr
