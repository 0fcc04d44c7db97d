"""Downloads from a server on the loopback address that behaves as servers do: badly."""
import hashlib
import http.server
import os
import random
import re
import subprocess
import sys
import threading

import pytest

from mtp import download, locks
from mtp.download import Wanted
from mtp.errors import MTPError

CONTENT = random.Random(5).getrandbits(8 * 700001).to_bytes(700001, 'big')
SHA256, MD5 = hashlib.sha256(CONTENT).hexdigest(), hashlib.md5(CONTENT).hexdigest()
WHOLE = Wanted(len(CONTENT), SHA256, None)
PAGE = b'<!DOCTYPE html><html>please log in</html>'


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; ``server.plan`` says how each request goes wrong."""
    protocol_version = 'HTTP/1.1'

    def do_GET(self):  # noqa: N802 (named by the base class)
        self.server.asked.append(self.headers.get('Range'))
        kind = self.server.plan.pop(0) if self.server.plan else self.server.usual
        getattr(self, kind.split(':')[0])(*kind.split(':')[1:])

    def whole(self):
        self.send(200, CONTENT, len(CONTENT))

    def ranges(self, cut=None):
        start = int(re.match(r'bytes=(\d+)-', self.headers.get('Range') or 'bytes=0-').group(1))
        if start >= len(CONTENT):
            self.send(416, b'', 0)
            return
        body = CONTENT[start:] if cut is None else CONTENT[start:start + int(cut)]
        headers = {'ETag': '"one"', 'Content-Range': f'bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}'}
        self.send(206 if self.headers.get('Range') else 200, body, len(CONTENT) - start, headers)

    def html(self):
        self.send(200, PAGE, len(PAGE))

    def other(self):
        self.send(200, CONTENT[::-1], len(CONTENT))

    def longer(self):
        self.send(200, CONTENT + b'x', len(CONTENT) + 1)

    def endless(self):
        self.send(200, CONTENT + b'x' * 5000000, None)

    def error(self, code):
        self.send(int(code), b'', 0)

    def redirect(self):
        self.send(302, b'', 0, {'Location': '/elsewhere'})

    def downgrade(self):
        self.send(302, b'', 0, {'Location': 'ftp://127.0.0.1/file'})

    def elsewhere_range(self):
        headers = {'Content-Range': f'bytes 7-{len(CONTENT) - 1}/{len(CONTENT)}'}
        self.send(206, CONTENT[7:], len(CONTENT) - 7, headers)

    def silent(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(CONTENT)))
        self.end_headers()
        self.server.quiet.wait(20)
        self.close_connection = True

    def send(self, code, body, length, headers=None):
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if length is not None:
            self.send_header('Content-Length', str(length))
        self.end_headers()
        self.close_connection = True
        try:
            self.wfile.write(body)
        except OSError:
            pass  # the client has heard enough

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, 'PAUSE', 0.)
    for name in list(os.environ):
        if name.lower().endswith('_proxy'):
            monkeypatch.delenv(name)
    found = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    found.plan, found.usual, found.asked, found.quiet = [], 'ranges', [], threading.Event()
    found.address = f'http://127.0.0.1:{found.server_address[1]}/file.zip'
    threading.Thread(target=found.serve_forever, kwargs=dict(poll_interval=0.02), daemon=True).start()
    yield found
    found.quiet.set()
    found.shutdown()
    found.server_close()


def content(folder):
    return sorted(os.listdir(str(folder)))


@pytest.mark.parametrize('kind', ['ranges', 'whole', 'redirect'])
@pytest.mark.parametrize('wanted', [WHOLE, Wanted(None, None, MD5), download.NOTHING_KNOWN])
def test_the_file_is_there_and_nothing_beside_it(server, tmp_path, kind, wanted):
    server.plan = [kind]
    assert download.get(server.address, str(tmp_path / 'a' / 'f.zip'), wanted) == SHA256
    assert (tmp_path / 'a' / 'f.zip').read_bytes() == CONTENT and content(tmp_path / 'a') == ['f.zip']


def test_a_connection_cut_fifty_times_at_random_bytes(server, tmp_path):
    rng = random.Random(8)
    server.plan = [f'ranges:{rng.randrange(1, 20000)}' for _ in range(50)]
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256
    assert len(server.asked) == 51 and content(tmp_path) == ['f.zip']
    assert [int(asked[6:-1]) for asked in server.asked[1:]] == sorted(int(asked[6:-1]) for asked in server.asked[1:])


def test_what_came_before_a_failure_is_gone_on_with_by_the_next_start(server, tmp_path):
    server.plan = ['ranges:300000'] + ['error:503'] * download.TRIES
    with pytest.raises(MTPError, match=r'answers 503; 300000 bytes are there\n.*goes on where it was'):
        download.get(server.address, str(tmp_path / 'f.zip'), WHOLE)
    assert content(tmp_path) == ['f.zip.part', 'f.zip.part.json']
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256
    assert server.asked[-1] == 'bytes=300000-' and content(tmp_path) == ['f.zip']


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.plan, server.usual = ['ranges:300000'], 'whole'
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256
    assert server.asked == [None, 'bytes=300000-']


def test_what_is_left_of_another_address_is_not_gone_on_with(server, tmp_path):
    (tmp_path / 'f.zip.part').write_bytes(b'x' * 1000)
    (tmp_path / 'f.zip.part.json').write_text('{"address": "https://other"}')
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256 and server.asked == [None]


def test_a_note_that_cannot_be_read_begins_anew(server, tmp_path):
    (tmp_path / 'f.zip.part').write_bytes(CONTENT[:1000])
    (tmp_path / 'f.zip.part.json').write_bytes(b'\x00{"addr')
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256


def test_a_whole_part_is_taken(server, tmp_path):
    (tmp_path / 'f.zip.part').write_bytes(CONTENT)
    (tmp_path / 'f.zip.part.json').write_text(f'{{"address": "{server.address}", "total": {len(CONTENT)}}}')
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256


@pytest.mark.parametrize('kind, wanted, said', [
    ('html', download.NOTHING_KNOWN, 'a web page in place of the file'),
    ('html', WHOLE, '41 bytes there, 700001 are wanted'),
    ('html', Wanted(None, SHA256, None), 'not the file that is wanted: sha256 is'),
    ('other', WHOLE, 'sha256 is [0-9a-f]{64}, ' + SHA256 + ' is wanted'),
    ('other', Wanted(None, None, MD5), 'md5 is [0-9a-f]{32}, ' + MD5),
    ('longer', WHOLE, '700002 bytes there, 700001 are wanted'),
    ('endless', WHOLE, 'more than the 700001 bytes that were announced'),
    ('error:404', WHOLE, 'answers 404.*\n.*MTP_MIRROR'),
    ('error:403', WHOLE, 'answers 403')])
def test_the_wrong_file_is_refused_and_never_lies_there(server, tmp_path, kind, wanted, said):
    server.usual = kind
    with pytest.raises(MTPError, match=said):
        download.get(server.address, str(tmp_path / 'f.zip'), wanted)
    assert 'f.zip' not in content(tmp_path)
    server.usual = 'ranges'
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256


def test_a_range_from_elsewhere_is_not_believed(server, tmp_path):
    server.plan = ['ranges:300000', 'elsewhere_range']
    assert download.get(server.address, str(tmp_path / 'f.zip'), WHOLE) == SHA256


def test_a_silent_server_is_said(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, 'TIMEOUT', 0.1)
    server.usual = 'silent'
    with pytest.raises(MTPError, match='timed out; 0 bytes'):
        download.get(server.address, str(tmp_path / 'f.zip'), WHOLE)


def test_a_server_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(download, 'PAUSE', 0.)
    with pytest.raises(MTPError, match='could not be fetched: .*refused'):
        download.get('http://127.0.0.1:9/f', str(tmp_path / 'f.zip'), WHOLE)


def test_a_redirect_to_another_kind_of_address_is_refused(server, tmp_path):
    server.usual = 'downgrade'
    with pytest.raises(MTPError):
        download.get(server.address, str(tmp_path / 'f.zip'), WHOLE)
    assert not [name for name in content(tmp_path) if name == 'f.zip']


def test_two_at_once_do_not_meet(server, tmp_path):
    path = str(tmp_path / 'f.zip')
    with locks.hold_file(path, download.VERB):
        code = ("import sys; sys.path.insert(0, '.')\nfrom mtp import download\nfrom mtp.errors import MTPError\n"
                f'try: download.get({server.address!r}, {path!r})\nexcept MTPError as error: print(error)')

        said = subprocess.run([sys.executable, '-c', code], stdout=subprocess.PIPE, universal_newlines=True,
                              cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__)))).stdout
    assert 'another process is fetching' in said and content(tmp_path) == []
    assert f'process {os.getpid()} on ' in said
    assert download.get(server.address, path, WHOLE) == SHA256


def test_a_file_that_is_there_is_judged_and_kept(server, tmp_path):
    path = tmp_path / 'f.zip'
    path.write_bytes(b'mine')
    with pytest.raises(MTPError, match='size is 4, 700001 is wanted'):
        download.get(server.address, str(path), WHOLE)
    assert path.read_bytes() == b'mine' and server.asked == []
    assert download.get(server.address, str(path)) == hashlib.sha256(b'mine').hexdigest()


@pytest.mark.parametrize('address', ['{}', 'file://{}'])
def test_a_file_of_this_machine(tmp_path, address):
    (tmp_path / 'source').write_bytes(CONTENT)
    target = str(tmp_path / 'new' / 'f.zip')
    assert download.get(address.format(tmp_path / 'source'), target, WHOLE) == SHA256
    with pytest.raises(MTPError, match='there is no file'):
        download.get(address.format(tmp_path / 'none'), str(tmp_path / 'g'), WHOLE)


@pytest.mark.parametrize('address, said', [
    ('ftp://host/f', 'no address of a file'), ('javascript:alert()', 'no address'),
    ('http://example.org/f', 'not encrypted')])
def test_other_addresses_are_refused(tmp_path, address, said):
    with pytest.raises(MTPError, match=said):
        download.get(address, str(tmp_path / 'f'))
    assert content(tmp_path) == []


def test_a_full_disk_leaves_no_file_and_the_next_start_goes_on(server, tmp_path):
    small = tmp_path / 'small'
    small.mkdir()
    if subprocess.call(['mount', '-t', 'tmpfs', '-o', 'size=600k', 'tmpfs', str(small)], stderr=subprocess.DEVNULL):
        pytest.skip('mounting a small disk is not allowed here')
    try:
        with pytest.raises(MTPError, match=r'left, .* needed'):
            download.get(server.address, str(small / 'f.zip'), WHOLE)
        server.usual = 'endless'  # announces nothing
        with pytest.raises(MTPError, match='No space left on device'):
            download.get(server.address, str(small / 'f.zip'), Wanted(None, SHA256, None))
        assert 'f.zip' not in content(small)
        subprocess.check_call(['mount', '-o', 'remount,size=4m', str(small)])
        server.usual = 'ranges'
        assert download.get(server.address, str(small / 'f.zip'), WHOLE) == SHA256
    finally:
        subprocess.check_call(['umount', str(small)])
