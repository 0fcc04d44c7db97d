"""Writing files so that a reader never meets half of one. Standard library only, Python >= 3.6."""
import contextlib
import hashlib
import json
import os


@contextlib.contextmanager
def atomic_path(path):
    """Give a temporary sibling of ``path`` to write to; flush it to the disk and rename it when the block succeeds.

    A block that raises leaves ``path`` as it was and removes the temporary file.
    """
    path = os.fspath(path)
    folder = os.path.dirname(path) or '.'
    os.makedirs(folder, exist_ok=True)
    temporary = os.path.join(folder, '.{}.{}.tmp'.format(os.path.basename(path), os.getpid()))
    try:
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def write_text(path, text):
    """Write ``text`` (UTF-8, line ends as given) to ``path`` atomically."""
    write_bytes(path, text.encode('utf-8'))


def write_bytes(path, data):
    """Write ``data`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        with open(temporary, 'wb') as stream:
            stream.write(data)


def write_json(path, value, indent=1):
    """Write ``value`` as JSON to ``path`` atomically; ``indent=None`` makes the compact form."""
    separators = (',', ':') if indent is None else None
    write_text(path, json.dumps(value, indent=indent, separators=separators, ensure_ascii=False) + '\n')


def sha256(path):
    """Hex SHA-256 of the file at ``path``, read in blocks."""
    digest = hashlib.sha256()
    with open(path, 'rb') as stream:
        for block in iter(lambda: stream.read(1 << 20), b''):
            digest.update(block)
    return digest.hexdigest()
