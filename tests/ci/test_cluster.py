"""The parts of the test cluster that need no engine."""
import hashlib
import io
import json
import os
import sys
import tarfile

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger

sys.path.insert(0, os.path.join(ledger.ROOT, 'ci'))
import checks  # noqa: E402
import front  # noqa: E402
import nodes  # noqa: E402
import sifs  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'ci'))


def packed(files):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode='w') as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def test_the_nodes_are_told_their_names_and_get_a_new_key():
    def unpacked():
        with tarfile.open(fileobj=io.BytesIO(nodes.configuration(['cpu01', 'cpu02']))) as archive:
            return {entry.name: archive.extractfile(entry).read() for entry in archive}

    found = unpacked()
    assert b'NodeName=cpu01,cpu02 ' in found['slurm.conf'] and b'{nodes}' not in found['slurm.conf']
    assert len(found['munge.key']) == 128 and unpacked()['munge.key'] != found['munge.key']
    assert set(found) == {'slurm.conf', 'gres.conf', 'cgroup.conf', 'munge.key'}


def test_an_image_as_apptainer_reads_it(tmp_path):
    layer = b'layer' * 100
    digest = 'sha256:' + hashlib.sha256(layer).hexdigest()
    config = json.dumps({'rootfs': {'diff_ids': [digest, digest]}}).encode()
    archive = packed({'c.json': config, 'a/layer.tar': layer, 'manifest.json': json.dumps(
        [{'Config': 'c.json', 'Layers': ['a/layer.tar', 'a/layer.tar']}]).encode()})
    (tmp_path / 'saved.tar').write_bytes(archive)
    client = tmp_path / 'docker'
    client.write_text('#!/bin/sh\n[ "$*" = "save x:cpu" ] && cat {}\n'.format(tmp_path / 'saved.tar'))
    client.chmod(0o755)
    sifs.layout(str(client), 'x:cpu', str(tmp_path / 'oci'))
    index = json.loads((tmp_path / 'oci' / 'index.json').read_text())

    def blob(entry):
        data = (tmp_path / 'oci' / 'blobs' / 'sha256' / entry['digest'].split(':')[1]).read_bytes()
        assert len(data) == entry['size'] and 'sha256:' + hashlib.sha256(data).hexdigest() == entry['digest']
        return data

    manifest = json.loads(blob(index['manifests'][0]).decode())
    assert blob(manifest['config']) == config and [blob(entry) for entry in manifest['layers']] == [layer, layer]
    assert sorted(os.listdir(str(tmp_path))) == ['docker', 'oci', 'saved.tar']


def test_the_image_of_an_earlier_build_makes_room(tmp_path, monkeypatch):
    monkeypatch.setattr(sifs, 'folder', lambda: str(tmp_path))
    for name in ('mmrotate1-a.sif', 'mmrotate1-b.sif', 'mmrotate03-a.sif'):
        (tmp_path / name).write_text('')
    sifs.forget('mmrotate1')
    assert os.listdir(str(tmp_path)) == ['mmrotate03-a.sif']


def test_no_image_says_what_makes_one():
    with pytest.raises(MTPError, match='ci/images mmrotate1'):
        sifs.convert('/bin/false', 'mmrotate1')


def test_a_second_cluster_is_refused(tmp_path):
    client = tmp_path / 'docker'
    client.write_text('#!/bin/sh\necho mtp-cluster-login\n')
    client.chmod(0o755)
    with pytest.raises(MTPError, match='there is a cluster already: mtp-cluster-login'):
        nodes.Cluster(str(client)).up()


def test_the_names_of_nodes_outlive_them(tmp_path):
    client = tmp_path / 'docker'
    client.write_text('#!/bin/sh\ncase "$*" in\ninspect*login) echo 10.0.0.2;;\ninspect*) echo 10.0.0.3;;\n'
                      f'exec*) shift 6; cat >{tmp_path}/$1;;\nesac\n')
    client.chmod(0o755)
    nodes.Cluster(str(client), count=1).start('cpu01')
    for host in ('login', 'cpu01'):
        lines = (tmp_path / nodes.container(host)).read_text().splitlines()
        assert lines == ['127.0.0.1 localhost', '10.0.0.2 login', '10.0.0.3 cpu01']


def test_an_unknown_check_is_named():
    with pytest.raises(MTPError, match='no check nonsense') as caught:
        checks.run(None, ['nonsense'], True)
    assert 'preempted' in caught.value.hint


def test_a_check_that_fails_says_what_it_saw():
    def bad(given):
        """A check."""
        front.need(False, 'this', 'that was seen')

    class Quiet:
        done = []

        @property
        def cluster(self):
            return self

        def call(self, *words):
            self.done.append(words)

        def wait_idle(self):
            self.done.append('idle')

    seconds = []
    assert not checks.one(bad, Quiet(), seconds) and len(seconds) == 1
    assert Quiet.done == [('scancel', '--me'), 'idle']  # a repeat finds nobody in its folder


def test_a_command_that_hangs_is_ended(tmp_path):
    class Slow:
        def words(self, inner, **where):
            return ['sleep', '30']

    code, output, _ = front.Front(Slow()).call('x', seconds=0.2)
    assert code == 124 and 'no end within 0.2 s' in output
