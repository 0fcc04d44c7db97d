"""Checkpoints made to hurt: each ends in one error of ours; nothing reaches memory, classes or the terminal."""

import os
import struct
import sys
import zipfile

import pytest
import torch

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'pickled'))
import opcodes as o  # noqa: E402

from mtp.checkpoints import load  # noqa: E402
from mtp.checkpoints.__main__ import main  # noqa: E402
from mtp.errors import MTPError  # noqa: E402

W = o.text('w')


def weight(body):
    return o.checkpoint((W, body))


FORGED = o.tensor(o.storage(kind='DoubleStorage', numel=1), 0, (2**62,), (0,))
TENSORS = {
    'a stride of zero': o.tensor(o.storage(), 0, (2**32,), (0,)),
    'two strides of zero': o.tensor(o.storage(), 0, (2**31, 2**31), (0, 0)),
    'a view of a forged tensor': o.tensor(FORGED, 2**61 - 999, (1000,), (1,)),
    'a size without a stride': o.tensor(o.storage(), 0, (2, 1000000), (1,)),
    'a negative size': o.tensor(o.storage(), 0, (-1, 4), (1, 1)),
    'an offset behind the end': o.tensor(o.storage(), 2**62, (1,), (1,)),
    'a size of a float': o.call(
        o.name('torch._utils', '_rebuild_tensor_v2'),
        o.storage(),
        o.number(0),
        o.many(o.number(4.0)),
        o.many(o.number(1.0)),
        o.FALSE,
        o.ORDERED,
    ),
    'no elements and no end': o.tensor(o.storage(), 0, (0, 2**60), (1, 1)),
    'a storage by a path': o.tensor(o.storage(key='../../etc/passwd'), 0, (4,), (1,)),
    'a storage shorter than it says': o.tensor(o.storage(numel=1000), 0, (1000,), (1,)),
    'a storage of 2^61': o.tensor(o.storage(numel=2**61), 0, (4,), (1,)),
    'a storage of less than nothing': o.tensor(o.storage(numel=-1), 0, (4,), (1,)),
    'a truth value of 7': o.tensor(o.storage(kind='BoolStorage', numel=16), 0, (16,), (1,)),
    'a text for a storage': o.call(
        o.name('torch._utils', '_rebuild_tensor_v2'),
        o.text('abc'),
        o.number(0),
        o.many(o.number(4)),
        o.many(o.number(1)),
        o.FALSE,
        o.ORDERED,
    ),
    'a persistent id that is a text': o.text('x') + b'Q',
    'a tensor with a state': o.build(
        o.GOOD, o.many(o.storage(), o.number(0), o.many(o.number(10**6)), o.many(o.number(1)))
    ),
    'a storage without a tensor': o.storage(),
    'a device of an unknown kind': o.call(o.name('torch', 'device'), o.text('cpu; id')),
}


@pytest.mark.parametrize('what', sorted(TENSORS))
@pytest.mark.parametrize('legacy', [False, True])
def test_a_forged_tensor(tmp_path, what, legacy):
    body = o.checkpoint((o.text('good'), o.GOOD), (W, TENSORS[what]))
    path = str(tmp_path / 'x.pth')
    if legacy:
        o.legacy(path, body, ['0'], [(4, o.BYTES['0'])])
    else:
        o.zipped(path, body)
    with pytest.raises(MTPError, match='x.pth (is not a whole|holds)'):
        load(path)


@pytest.mark.parametrize('what', sorted(dict(o.attacks())))
def test_an_attack_in_the_meta_entry(tmp_path, what):
    with pytest.raises(MTPError, match='x.pth (is not a whole|holds)'):
        load(o.zipped(tmp_path / 'x.pth', o.checkpoint((W, o.GOOD), meta=dict(o.attacks())[what])))


def test_views_whose_copies_outgrow_the_file(tmp_path):
    turned = [(o.text('w%d' % n), o.tensor(o.storage(numel=10000), 0, (100, 100), (1, 100))) for n in range(40)]
    path = o.zipped(tmp_path / 'x.pth', o.checkpoint(*turned), {'0': bytes(40000)})
    with pytest.raises(MTPError, match='copies are far larger'):
        load(path)
    once = load(o.zipped(tmp_path / 'y.pth', o.checkpoint(*turned[:2]), {'0': struct.pack('<10000f', *range(10000))}))
    assert once.state_dict['w1'].is_contiguous() and once.state_dict['w1'][1, 2] == 201


@pytest.mark.parametrize('compress', [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_compressed_archive(tmp_path, compress):
    path = o.zipped(tmp_path / 'x.pth', weight(o.GOOD), {'0': bytes(1 << 20)}, compress)
    with pytest.raises(MTPError, match='compressed or encrypted member'):
        load(path)


@pytest.mark.filterwarnings('ignore:Duplicate name')
@pytest.mark.parametrize(
    'extra, says',
    [
        (('archive/data.pkl', b'x'), '2 times'),
        (('evil/data.pkl', b'x'), '2 times'),
        (('archive/data/0', b'x'), 'one name'),
        (('archive/byteorder', b'big'), 'big-endian'),
    ],
)
def test_a_second_member(tmp_path, extra, says):
    with pytest.raises(MTPError, match=says):
        load(o.zipped(tmp_path / 'x.pth', weight(o.GOOD), extra=[extra]))


def test_members_that_lie_on_each_other(tmp_path):
    """A hundred entries of the directory, one place in the file."""
    path = tmp_path / 'x.pth'
    body = o.checkpoint(
        *[(o.text('w%d' % n), o.tensor(o.storage(str(n), numel=25000), 0, (25000,), (1,))) for n in range(9)]
    )
    o.zipped(path, body, {'0': bytes(100000)})
    with zipfile.ZipFile(str(path), 'a') as archive:
        first = archive.getinfo('archive/data/0')
        for number in range(1, 9):
            again = zipfile.ZipInfo('archive/data/%d' % number)
            again.compress_size = again.file_size = first.file_size
            again.header_offset, again.CRC = first.header_offset, first.CRC
            archive.filelist.append(again)
        archive._didModify = True
    with pytest.raises(MTPError, match='not a whole'):
        load(str(path))


@pytest.mark.parametrize('key', [o.number(0), o.NONE, o.raw(b'w')])
def test_a_key_that_is_no_text(tmp_path, key):
    with pytest.raises(MTPError, match='name is no text'):
        load(o.zipped(tmp_path / 'x.pth', o.checkpoint((W, o.GOOD), (key, o.GOOD))))


def test_escape_sequences_do_not_reach_the_terminal(tmp_path, capsys):
    key = o.text('blocks.0.w\x1b]0;title\x07\nfake: whole')
    path = o.zipped(
        tmp_path / 'x.pth', o.checkpoint((key, o.GOOD), meta=o.pairs((o.text('\x1b[2J'), o.text('a\x1b[2Jb'))))
    )
    main(['inspect', path, '--keys'])
    main(['inspect', path])
    printed = capsys.readouterr().out
    assert (
        '\x1b' not in printed
        and '\x07' not in printed
        and '\nfake' not in printed
        and r'w\x1b]0;title\x07\nfake' in printed
    )


@pytest.mark.parametrize('make', [os.mkfifo, os.mkdir, lambda path: os.symlink(path, path)])
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_what_is_no_plain_file(tmp_path, make, suffix):
    path = str(tmp_path / 'x') + suffix
    make(path)
    with pytest.raises(MTPError, match='x' + suffix):
        load(path)


def test_a_tar_of_the_first_torch_is_named(tmp_path):
    import tarfile

    path = str(tmp_path / 'x.pth')
    with tarfile.open(path, 'w') as archive:
        archive.addfile(tarfile.TarInfo('pickle'))
    with pytest.raises(MTPError, match='tar archive, the format of PyTorch before'):
        load(path)


def test_legacy_storages_that_the_file_does_not_have(tmp_path):
    body = o.checkpoint(
        *[(o.text('w%d' % n), o.tensor(o.storage(str(n), numel=10**6), 0, (1,), (1,))) for n in range(3000)]
    )
    with pytest.raises(MTPError, match='not a whole'):
        load(o.legacy(tmp_path / 'x.pth', body, [str(n) for n in range(3000)], [(10**6, b'')]))
    with pytest.raises(MTPError, match='not a whole'):
        load(o.legacy(tmp_path / 'y.pth', weight(o.GOOD), ['0'], [(-1, b'')]))


def test_what_mmengine_writes_of_its_configs_and_histories(tmp_path):
    content = o.call(o.name('mmengine.config.config', 'ConfigDict'), o.pairs((o.text('a'), o.number(1))))
    history = o.build(
        o.call(o.name('mmengine.logging.history_buffer', 'HistoryBuffer')),
        o.pairs((o.text('_log_history'), o.array(o.plain_dtype('f8'), (1,), struct.pack('<d', 0.5)))),
    )
    found = load(
        o.zipped(tmp_path / 'x.pth', o.checkpoint((W, o.GOOD), hub=o.pairs((o.text('loss'), history)), cfg=content))
    )
    assert found.rest['cfg'] == {'a': 1} and found.rest['hub']['loss'].state['_log_history'].tolist() == [0.5]
    assert torch.equal(found.state_dict['w'], torch.arange(1, 5.0))
