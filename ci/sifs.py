"""Apptainer images of the docker images on this machine, made by apptainer in a container, kept in the user's cache."""
import hashlib
import json
import os
import shutil
import subprocess
import tempfile

from mtp.errors import FAILED, MTPError
from mtp.launch import ledger
from mtp.launch.settings import from_environ

import engine
import nodes

# Fast to write and to read; a site that shares an image for months would take the default, which is smaller.
SQUASHFS = '-comp zstd -Xcompression-level 1'
UID = 1000


def folder():
    """Where they are kept."""
    path = os.path.join(from_environ(os.environ).cache_root, 'sif')
    os.makedirs(path, exist_ok=True)
    return path


def convert(client, env, say=print):
    """Path of the SIF of the docker image ``mtp/<env>:cpu``; made when there is none of this very image.

    Raises:
        MTPError: there is no such docker image, or it cannot be converted.
    """
    tag = ledger.image_tag(env)
    code, number = engine.said([client, 'image', 'inspect', '--format', '{{.Id}}', tag])
    if code:
        raise MTPError(f'there is no image {tag}', hint='ci/images ' + env)
    path = os.path.join(folder(), f'{env}-{number.strip()[-64:][:16]}.sif')
    if os.path.exists(path):
        return path
    say(f'converting {tag} for apptainer')
    with tempfile.TemporaryDirectory(prefix='.making-', dir=folder()) as place:
        mounts = ['--volume', place + ':/place', '--volume', os.path.join(ledger.ROOT, 'apptainer') + ':/recipes:ro']
        os.chmod(place, 0o777)  # apptainer runs as an ordinary user in its container
        layout(client, tag, os.path.join(place, 'oci'))
        code, output = engine.said_long([client, 'run', '--rm', '--user', f'{UID}:{UID}', *nodes.RIGHTS, *mounts,
                                         '--env', 'APPTAINER_TMPDIR=/place', '--env', 'APPTAINER_CACHEDIR=/place/cache',
                                         '--entrypoint', 'apptainer', nodes.IMAGE, '--quiet'] + build(env))
        if code:
            raise MTPError('apptainer build failed:\n' + output[-2000:], code=FAILED)
        forget(env)
        os.rename(os.path.join(place, 'made.sif'), path)
    return path


def build(env):
    """Words of ``apptainer build`` from the definition that ``make sif`` uses; its %test, the self-check, runs too."""
    words = ['build', '--mksquashfs-args', SQUASHFS]
    for pair in ('BOOTSTRAP=oci', 'IMAGE=/place/oci', 'VARIANT='):
        words += ['--build-arg', pair]
    return words + ['/place/made.sif', f'/recipes/{env}.def']


def forget(env):
    """Remove what was made of earlier images of ``env``: each is more than a gigabyte."""
    for name in os.listdir(folder()):
        if name.startswith(env + '-'):
            os.unlink(os.path.join(folder(), name))


def layout(client, tag, target):
    """Write the image ``tag`` as an OCI layout with layers as they are. From a docker archive apptainer would compress
    every layer first, only to unpack it again: that took longer than all the rest."""
    blobs = os.path.join(target, 'blobs', 'sha256')
    os.makedirs(blobs)
    saved = subprocess.Popen([client, 'save', tag], stdout=subprocess.PIPE)
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target)) as place:
        subprocess.run(['tar', '-x', '-C', place], stdin=saved.stdout, check=True)
        if saved.wait():
            raise MTPError(f'docker save {tag} failed', code=FAILED)
        with open(os.path.join(place, 'manifest.json'), encoding='utf-8') as stream:
            image = json.load(stream)[0]
        with open(os.path.join(place, image['Config']), 'rb') as stream:
            config = stream.read()
        layers = []
        for digest, name in zip(json.loads(config.decode())['rootfs']['diff_ids'], image['Layers']):
            blob = os.path.join(blobs, digest.split(':')[1])
            if not os.path.exists(blob):
                shutil.move(os.path.realpath(os.path.join(place, name)), blob)
            layers.append(dict(_described('layer.v1.tar', blob), digest=digest))
    manifest = {'schemaVersion': 2, 'config': _stored(blobs, 'config.v1+json', config), 'layers': layers}
    entry = _stored(blobs, 'manifest.v1+json', json.dumps(manifest).encode())
    index = {'schemaVersion': 2, 'manifests': [entry]}
    for name, value in (('index.json', index), ('oci-layout', {'imageLayoutVersion': '1.0.0'})):
        with open(os.path.join(target, name), 'w', encoding='utf-8') as stream:
            json.dump(value, stream)
    subprocess.run(['chmod', '-R', 'a+rX', target], check=True)


def _described(kind, path):
    return {'mediaType': 'application/vnd.oci.image.' + kind, 'size': os.path.getsize(path)}


def _stored(blobs, kind, data):
    digest = hashlib.sha256(data).hexdigest()
    path = os.path.join(blobs, digest)
    with open(path, 'wb') as stream:
        stream.write(data)
    return dict(_described(kind, path), digest='sha256:' + digest)
