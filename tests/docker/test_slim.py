"""A library without code for cards is smaller, loads, and answers as before; what the ledger drops is really
dropped.
"""
import ctypes
import json
import os
import shutil
import subprocess
import sys

import pytest

from mtp.launch import ledger

sys.path.insert(0, os.path.join(ledger.ROOT, 'docker'))
import slim  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'docker'))

CODE = '''
__attribute__((section(".nv_fatbin"), used)) const char code[6 << 20] = {1};
__attribute__((visibility("default"))) char zeros[100];  /* memory beyond the file */
static int table[3] = {40, 1, 1};
int answer(void) { return table[0] + table[1] + table[2] + zeros[99]; }
'''
# Room behind the program headers, as the tool has left it that gave a wheel's libraries their names.
ROOM = 'SECTIONS { . = SIZEOF_HEADERS + 0x200; .hash : { *(.hash) } }'
PAGE = 1 << 21


@pytest.fixture
def library(tmp_path):
    """``compile(room)``: path of a shared library with 6 MiB for a card, with or without room for a header."""
    if not shutil.which('cc'):
        pytest.skip('no compiler')

    def build(room):
        (tmp_path / 'a.c').write_text(CODE)
        (tmp_path / 'room.ld').write_text(ROOM)
        words = ['cc', '-g', '-fPIC', '-shared', '-Wl,--hash-style=sysv', '-Wl,-z,max-page-size=0x200000',
                 '-Wl,-z,noseparate-code', '-o', 'a.so', 'a.c'] + (['-Wl,-T,room.ld'] if room else [])
        subprocess.check_call(words, cwd=str(tmp_path), stderr=subprocess.DEVNULL)
        return tmp_path / 'a.so'

    return build


@pytest.mark.parametrize('room, gone', [(True, 2 * PAGE), (False, 0)])
def test_a_slim_library_answers_as_before(library, room, gone):
    path = library(room)
    whole = path.read_bytes()
    made = slim.slim(whole)
    assert made == slim.slim(whole) and sum(end - start for start, end in slim.holes(whole)) == 2 * PAGE
    assert len(whole) - len(made) >= gone and b'GNU C' in whole and b'GNU C' not in made  # debuggers' tables
    path = path.with_name('slim.so')
    path.write_bytes(made)
    assert ctypes.CDLL(str(path)).answer() == 42


def test_what_is_slim_already_stays(library):
    made = slim.slim(library(True).read_bytes())
    assert slim.slim(made) == made


def test_a_piece_before_a_gap_ends_in_zeros_up_to_the_next():
    whole = slim.Segment(slim.LOAD, 5, 0, 0x1000, 0x1000, 10 * PAGE, 11 * PAGE, PAGE)
    first, second = slim.cut(whole, [(2 * PAGE, 6 * PAGE)])
    assert (first.size, first.memory) == (2 * PAGE, 6 * PAGE)
    assert (second.offset, second.address, second.size, second.memory) == (
        6 * PAGE, 0x1000 + 6 * PAGE, 4 * PAGE, 5 * PAGE)


def test_a_library_whose_headers_stand_elsewhere_stays(library):
    whole = bytearray(library(True).read_bytes())
    head = list(slim.header(whole))
    table, head[5] = whole[head[5]:head[5] + head[10] * slim.SEGMENT.size], len(whole)
    whole[:slim.HEADER.size] = slim.HEADER.pack(*head)
    moved = bytes(whole + table)
    assert slim.segments(moved) and slim.slim(moved) == moved


def test_libraries_in_every_folder_are_made_slim_once_and_links_to_them_left(library, tmp_path):
    folder = tmp_path / 'site' / 'a' / 'b'
    folder.mkdir(parents=True)
    shutil.copy(str(library(True)), str(folder / 'one.cpython-38.so'))
    (tmp_path / 'site' / 'two.so.1').symlink_to(folder / 'one.cpython-38.so')
    drops = [{'files': '**/*.so*', 'how': 'slim', 'reason': 'tables'}]
    done = slim.apply(str(tmp_path / 'site'), drops)
    assert [each['path'] for each in done] == ['a/b/one.cpython-38.so'] and done[0]['was'] != done[0]['is']
    link = tmp_path / 'site' / 'two.so.1'
    assert link.is_symlink() and ctypes.CDLL(str(link)).answer() == 42
    assert slim.apply(str(tmp_path / 'site'), drops) == []


def test_what_is_no_library_is_refused():
    with pytest.raises(slim.Refused, match='no 64-bit ELF'):
        slim.slim(b'#!/bin/sh')


def test_what_the_ledger_drops_is_removed_and_recorded(tmp_path):
    for name in ('caffe2/python/a.py', 'torch/lib/libnvrtc.so', 'torch/lib/libc10.so'):
        (tmp_path / 'site' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'site' / name).write_bytes(b'12345')
    drops = [{'files': 'caffe2', 'how': 'remove', 'reason': 'a'}, {'files': 'torch/lib/libnv*', 'how': 'remove',
                                                                  'reason': 'b'}]
    done = slim.apply(str(tmp_path / 'site'), drops)
    assert [(each['path'], each['bytes']) for each in done] == [('caffe2', 5), ('torch/lib/libnvrtc.so', 5)]
    assert os.listdir(str(tmp_path / 'site')) == ['torch'] and json.dumps(done)
    with pytest.raises(slim.Refused, match='nothing matches caffe2'):
        slim.apply(str(tmp_path / 'site'), drops)


def test_the_ledger_says_of_each_drop_why():
    for env in ledger.names():
        for kind in ledger.variants(env):
            for drop in ledger.variant(env, kind)['drops']:
                assert drop['how'] in ('slim', 'remove') and len(drop['reason']) > 10
        assert all(ledger.variant(env, kind)['drops'] == [] for kind in ledger.with_cuda(env))  # what they are for
