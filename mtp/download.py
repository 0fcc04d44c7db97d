"""Getting one file from an address so that in the end the right one is there, or none.

What has come lies in ``PATH.part`` beside it, with a note of where it is from, and the next start goes on with it; the
file itself appears when its size and its hash are right. Addresses are ``https://``, ``http://`` (only where a hash is
known), ``file://`` or a path. Standard library only, Python >= 3.6: a login node has nothing else.
"""
import contextlib
import errno
import hashlib
import http.client
import json
import os
import shlex
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import IO, Any, Dict, NamedTuple, Optional, Tuple

import mtp
from mtp import files, locks, numbers
from mtp.errors import FAILED, MTPError
from mtp.progress import Progress
from mtp.terminal import harmless

VERB = 'another process is fetching it'  # what one that comes second reads
BLOCK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte
TRIES = 6  # one after another that bring nothing new
PAUSE = 1.0  # seconds before the second try; doubles up to a minute
_PAGE = (b'<!doctype html', b'<html')
_PASSING = (408, 425, 429, 500, 502, 503, 504)  # answers of a server that may do better soon


class Wanted(NamedTuple('Wanted', [('size', Optional[int]), ('sha256', Optional[str]), ('md5', Optional[str])])):
    """What is known of a file; None where nobody has said it.

    Attributes:
        size: bytes.
        sha256, md5: hex digests.
    """

    @property
    def known(self) -> bool:
        """Whether another file would be noticed."""
        return bool(self.sha256 or self.md5)


NOTHING_KNOWN = Wanted(None, None, None)


def get(address: str, path: str, wanted: Wanted = NOTHING_KNOWN, label: str = '') -> str:
    """Bring the file at ``address`` to ``path``; returns its SHA-256.

    Args:
        address: where it is published.
        path: where it goes; a file that is there already is judged and kept.
        wanted: what has to come.
        label: name for the progress, by default that of the file.

    Raises:
        MTPError: it cannot be had, or it is not the right one; nothing lies at ``path`` then.
    """
    path = os.fspath(path)
    if os.path.exists(path):
        return check(path, wanted)
    _check_scheme(address, wanted)
    os.makedirs(os.path.dirname(path) or '.', exist_ok=True)
    part = path + '.part'
    with locks.hold_file(path, VERB):
        if os.path.exists(path):  # another one has brought it while this one waited for the lock
            return check(path, wanted)
        _fetch(address, part, wanted, label or os.path.basename(path))
        digest = _check_part(address, part, wanted)
        with open(part, 'rb') as stream:
            os.fsync(stream.fileno())
        os.replace(part, path)
        _forget(part)
    return digest


def at_mirror(mirror: str, name: str, address: str) -> str:
    """Where to ask for the file ``name``: at the site's mirror, where one is named, else at its own address."""
    return '{}/{}'.format(mirror.rstrip('/'), name) if mirror else address


def check(path: str, wanted: Wanted) -> str:
    """SHA-256 of the file at ``path``, which has to be the wanted one.

    Raises:
        MTPError: its size or its hash is another; names both.
    """
    found = _digests(path)
    wrong = _wrong(path, wanted, found)
    if wrong:
        raise MTPError(f'{path}: {wrong}', hint='mv {0} {0}.other, then start the same command again'.format(
            shlex.quote(path)))
    return found['sha256']


def _check_scheme(address: str, wanted: Wanted) -> None:
    scheme = urllib.parse.urlsplit(address).scheme
    if scheme not in ('https', 'http', 'file', ''):
        raise MTPError(f'{harmless(address)} is no address of a file that can be fetched',
                       hint='https://, file:// or a path')
    if scheme == 'http' and not wanted.known and not _is_here(address):
        raise MTPError(f'{harmless(address)} is not encrypted, and no hash says what has to come',
                       hint='an https:// address')


def _is_here(address: str) -> bool:
    return urllib.parse.urlsplit(address).hostname in ('localhost', '127.0.0.1', '::1')


def _fetch(address: str, part: str, wanted: Wanted, label: str) -> None:
    """Fill ``part``, in as many tries as it takes while each brings something new."""
    if urllib.parse.urlsplit(address).scheme in ('file', ''):
        _copy(address, part)
        return
    failures, reason = 0, ''
    while failures < TRIES:
        before = _size(part)
        try:
            if _continue(address, part, wanted, label):
                return
            reason = 'the connection ended early'
        except (OSError, http.client.HTTPException) as error:
            reason = _reason(error)
        failures = 0 if _size(part) > before else failures + 1
        if failures:
            time.sleep(min(PAUSE * 2 ** (failures - 1), 60))
    raise MTPError(f'{harmless(address)} could not be fetched: {reason}; {_size(part)} bytes are there',
                   hint='start the same command again: it goes on where it was', code=FAILED)


def _reason(error: Exception) -> str:
    """Why a try came to nothing; raises where another try cannot help.

    Raises:
        MTPError: a full disk, or an answer that will stay the same.
    """
    if isinstance(error, urllib.error.HTTPError):
        if error.code not in _PASSING:
            raise MTPError('{}: the server answers {} {}'.format(
                harmless(error.url), error.code, harmless(str(error.reason))), code=FAILED,
                hint='is the address still right? MTP_MIRROR=address of a folder with the same files asks another')
        return f'the server answers {error.code}'
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        raise MTPError(f'cannot write: {error.strerror}', code=FAILED,
                       hint='make room or choose another folder, then start the same command again')
    return harmless(str(getattr(error, 'reason', None) or error) or type(error).__name__)


def _continue(address: str, part: str, wanted: Wanted, label: str) -> bool:
    """One try: go on from what is there, or begin anew where the server cannot. Returns whether the file is whole."""
    known, have = files.read_note(part + '.json'), _size(part)
    if known.get('address') != address:
        have = 0
    headers = {'User-Agent': 'mtp/' + mtp.__version__, 'Accept-Encoding': 'identity'}
    if have:
        headers['Range'] = f'bytes={have}-'
        if known.get('tag'):
            headers['If-Range'] = known['tag']
    try:
        answer = _open(urllib.request.Request(address, headers=headers))
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing lies behind what is there: whole, or of another file
            if have == (wanted.size or known.get('total')):
                return True
            _forget(part)
            os.unlink(part)
            return False
        raise
    with contextlib.closing(answer):
        start, total = _place(answer, have)
        if wanted.size is not None and total not in (None, wanted.size):
            raise MTPError(f'{harmless(address)} has {total} bytes there, {wanted.size} are wanted',
                           hint='is it another version of the file?', code=FAILED)
        _check_room(part, (total or wanted.size or 0) - start)
        tag = answer.headers.get('ETag') or answer.headers.get('Last-Modified') or ''
        with open(part + '.json', 'w', encoding='utf-8') as stream:
            json.dump(dict(address=address, tag='' if tag.startswith('W/') else tag, total=total), stream)
        return _pour(answer, part, start, total, wanted, label)


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from an encrypted address to another kind."""

    def redirect_request(self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str,
                         headers: http.client.HTTPMessage,
                         newurl: str) -> Optional[urllib.request.Request]:  # noqa: D102 (named by the base class)
        if req.full_url.startswith('https:') and not newurl.startswith('https:'):
            raise MTPError(f'{harmless(req.full_url)} leads to {harmless(newurl)}, which is not encrypted',
                           hint='MTP_MIRROR=address of a folder with the same files', code=FAILED)
        return super(_NoDowngrade, self).redirect_request(req, fp, code, msg, headers, newurl)


def _open(request: urllib.request.Request) -> Any:
    return urllib.request.build_opener(_NoDowngrade).open(request, timeout=TIMEOUT)


def _place(answer: Any, have: int) -> Tuple[int, Optional[int]]:
    """Where the answer begins in the file, and how long that is; the server may not know ranges."""
    length = answer.headers.get('Content-Length')
    if answer.status != 206:
        return 0, int(length) if length and numbers.digits(length) else None
    given = (answer.headers.get('Content-Range') or '').replace('bytes ', '')
    span, _, total = given.partition('/')
    start = span.partition('-')[0]
    if not numbers.digits(start) or int(start) != have:
        raise http.client.HTTPException('the server sends bytes {} where {} were asked for'.format(
            harmless(given) or '?', have))
    return have, int(total) if numbers.digits(total) else None


def _pour(answer: Any, part: str, start: int, total: Optional[int], wanted: Wanted, label: str) -> bool:
    """Append what comes; returns whether that was all."""
    whole = total if total is not None else wanted.size
    most = wanted.size if wanted.size is not None else total
    progress = Progress(label + ' MB', None if whole is None else -(-whole // 1000000), done=start // 1000000)
    done = start
    with open(part, 'r+b' if os.path.exists(part) else 'wb') as stream:
        stream.truncate(start)
        stream.seek(start)
        while True:
            block = answer.read(BLOCK)
            if not block:
                break
            if not done and not wanted.known and block[:200].lstrip().lower().startswith(_PAGE):
                raise MTPError(f'{label} answers with a web page in place of the file', code=FAILED,
                               hint='open the address in a browser: it may want a login or a click')
            if most is not None and done + len(block) > most:
                raise MTPError(f'{label} sends more than the {most} bytes that were announced', code=FAILED,
                               hint='is it another version of the file?')
            stream.write(block)
            progress.update((done + len(block)) // 1000000 - done // 1000000)
            done += len(block)
        stream.flush()
    progress.close()
    return whole is None or done == whole


def _copy(address: str, part: str) -> None:
    """A file of this machine, or of a disk that it sees."""
    parts = urllib.parse.urlsplit(address)
    source = urllib.request.url2pathname(parts.path) if parts.scheme else os.path.expanduser(address)
    if not os.path.isfile(source):
        raise MTPError(f'there is no file {source}', hint='check the path', code=FAILED)
    _check_room(part, os.path.getsize(source))
    try:
        shutil.copyfile(source, part)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        _reason(error)
        raise


def _check_part(address: str, part: str, wanted: Wanted) -> str:
    """SHA-256 of what has come; a wrong file is removed, for no further try can mend it."""
    found = _digests(part)
    wrong = _wrong(address, wanted, found)
    if wrong:
        os.unlink(part)
        _forget(part)
        raise MTPError(f'{harmless(address)} is not the file that is wanted: {wrong}', code=FAILED,
                       hint='MTP_MIRROR=address of a folder with the same files asks another place')
    return found['sha256']


def _wrong(name: str, wanted: Wanted, found: Dict[str, Any]) -> str:
    for what in ('size', 'sha256', 'md5'):
        value = getattr(wanted, what)
        if value is not None and value != found[what]:
            return f'{what} is {found[what]}, {value} is wanted'
    return ''


def _digests(path: str) -> Dict[str, Any]:
    sha256, md5 = hashlib.sha256(), hashlib.md5()  # md5: what older publishers state; it only recognises a file
    with open(path, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 20), b''):
            sha256.update(block)
            md5.update(block)
    return dict(size=os.path.getsize(path), sha256=sha256.hexdigest(), md5=md5.hexdigest())


def _check_room(part: str, needed: int) -> None:
    free = shutil.disk_usage(os.path.dirname(part) or '.').free
    if needed > free:
        raise MTPError('{} has {:.2f} GB left, {:.2f} GB are needed'.format(
            os.path.dirname(part) or '.', free / 1e9, needed / 1e9),
            hint='make room, then start the same command again',
            code=FAILED)


def _size(part: str) -> int:
    return os.path.getsize(part) if os.path.exists(part) else 0


def _forget(part: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(part + '.json')
