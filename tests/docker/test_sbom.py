"""The bill of materials names what is installed by the hash of the installed file, and refuses what no lock admits."""
import email.message
import json
import os
import sys

import pytest

from mtp.errors import MTPError
from mtp.launch import ledger

sys.path.insert(0, os.path.join(ledger.ROOT, 'docker'))
import sbom  # noqa: E402
sys.path.remove(os.path.join(ledger.ROOT, 'docker'))

GOOD, OTHER = 'a' * 64, 'b' * 64


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Stands for an image: distributions, what pip reported, locks."""
    class Found:
        def __init__(self, name, version):
            self.metadata, self.version, self.files = email.message.Message(), version, ['yaml/_yaml.so']
            for field, value in (('Name', name), ('Author', 'Somebody'), ('License', 'UNKNOWN'),
                                 ('Classifier', 'License :: OSI Approved :: MIT License')):
                self.metadata[field] = value

    monkeypatch.setattr('importlib.metadata.distributions', lambda: [Found('PyYAML', '6.0'), Found('mmcv', '2.0.0')])
    (tmp_path / 'locks').mkdir()
    (tmp_path / 'locks' / 'a.txt').write_text(f'pyyaml==6.0 \\\n    --hash=sha256:{GOOD}\n')
    return tmp_path


def reported(folder, digest):
    item = {'metadata': {'name': 'PyYAML'}, 'download_info': {
        'url': 'https://host/x/PyYAML-6.0-cp38.whl', 'archive_info': {'hashes': {'sha256': digest}}}}
    (folder / '1.json').write_text(json.dumps({'install': [item]}))


def python(folder):
    return list(sbom.python_components('mmrotate1', str(folder), sbom.locked(str(folder / 'locks'))))


def test_a_distribution_has_the_hash_of_the_file_that_was_installed(there):
    reported(there, GOOD)
    mmcv, yaml = python(there)
    assert yaml['purl'] == 'pkg:pypi/pyyaml@6.0' and yaml['hashes'] == [{'alg': 'SHA-256', 'content': GOOD}]
    assert yaml['properties'] == [{'name': 'org.mtp.file', 'value': 'PyYAML-6.0-cp38.whl'}]
    assert mmcv['properties'][0]['value'].startswith('mmcv-2.0.0.tar.gz sha256:')


@pytest.mark.parametrize('digest', [OTHER, ''])
def test_what_no_lock_admits_fails(there, digest):
    reported(there, digest)
    with pytest.raises(MTPError, match='installed, but in no lock: pyyaml 6.0'):
        python(there)


def test_a_wheel_that_lay_beside_the_recipe_is_hashed_when_pip_did_not(there):
    import hashlib
    (there / 'wheels').mkdir()
    (there / 'wheels' / 'PyYAML-6.0-cp38.whl').write_bytes(b'wheel')
    reported(there, '')
    digest = hashlib.sha256(b'wheel').hexdigest()
    found = list(sbom.python_components('mmrotate1', str(there), {digest}, str(there / 'wheels')))
    assert found[1]['hashes'][0]['content'] == digest
    with pytest.raises(MTPError, match='in no lock'):
        list(sbom.python_components('mmrotate1', str(there), {OTHER}, str(there / 'wheels')))


def test_a_distribution_has_its_licence_its_supplier_and_what_was_taken_from_it(there):
    reported(there, GOOD)
    drop = {'path': 'yaml/_yaml.so', 'how': 'slim', 'reason': 'tables', 'was': GOOD, 'is': OTHER}
    (there / sbom.DROPPED).write_text(json.dumps([drop, dict(drop, path='other.so')]))
    yaml = python(there)[1]
    assert yaml['licenses'] == [{'license': {'name': 'MIT License'}}] and yaml['supplier'] == {'name': 'Somebody'}
    said, = [each['value'] for each in yaml['properties'] if each['name'] == 'org.mtp.dropped']
    assert said == f'slim yaml/_yaml.so: tables (sha256 {GOOD}, now {OTHER})'


def test_a_library_that_was_added_as_a_file_has_the_package_that_it_is_of(tmp_path):
    for name in ('libssl.so.1.1', 'libown.so'):
        (tmp_path / name).write_bytes(name.encode())
    row = ('libssl.so.1.1', 'libssl1.1', '1.1.1w-0', 'amd64', 'debian-11', 'Debian OpenSSL Team')
    (tmp_path / 'owners').write_text('\t'.join(row) + '\nlibown.so\n')
    own, ssl = sbom.loose_components(str(tmp_path / '*.so*'), str(tmp_path / 'owners'))
    assert ssl['purl'] == 'pkg:deb/debian/libssl1.1@1.1.1w-0?arch=amd64&distro=debian-11'
    assert (ssl['version'], ssl['supplier']) == ('1.1.1w-0', {'name': 'Debian OpenSSL Team'})
    assert ssl['hashes'] and 'purl' not in own


def test_licences_of_a_debian_package_come_from_its_copyright_file(tmp_path):
    (tmp_path / 'zlib1g').write_text('Files: *\nLicense: Zlib\n\nFiles: x\nLicense: GPL-2+\n')
    assert sbom.debian_licences('zlib1g', str(tmp_path / '{}')) == ['GPL-2+', 'Zlib']
    assert list(sbom.debian_licences('other', str(tmp_path / '{}'))) == []


def test_the_same_inputs_give_the_same_bytes_and_others_another_number():
    parts = [sbom.component('library', name, '1', f'pkg:pypi/{name}@1', [GOOD]) for name in 'ba']
    first, second = sbom.bill('mmrotate1', 'cpu', parts), sbom.bill('mmrotate1', 'cpu', parts[::-1])
    assert json.dumps(first) == json.dumps(second) and [item['name'] for item in first['components']] == ['a', 'b']
    assert sbom.bill('mmrotate1', 'cpu', parts[:1])['serialNumber'] != first['serialNumber']
    assert (first['bomFormat'], first['specVersion'], first['version']) == ('CycloneDX', '1.5', 1)
    assert 'timestamp' not in first['metadata']


def test_debian_packages_keep_their_epoch_in_the_purl():
    found = list(sbom.debian_components('libc6\t2.36\tamd64\tGNU\nlogin\t1:4.13\tamd64\tX\n'))
    assert [item['version'] for item in found[:2]] == ['2.36', '1:4.13'] and '@1%3A4.13?arch=amd64' in found[1]['purl']
    assert found[2]['type'] == 'operating-system' and found[0]['supplier'] == {'name': 'GNU'}


def test_taking_it_from_an_image_without_one_says_so(tmp_path):
    docker = tmp_path / 'docker'
    docker.write_text(
        '#!/bin/sh\ncase "$*" in *good*) echo \'{"components": []}\';; *) echo "no such file" >&2; exit 1;; esac\n')
    docker.chmod(0o755)
    out = tmp_path / 'x' / 's.json'
    assert sbom.main(['--docker', str(docker), '--image', 'good', '--out', str(out)]) == 0 and out.exists()
    with pytest.raises(MTPError, match='bad holds no /opt/sbom/sbom.cdx.json: no such file'):
        sbom.main(['--docker', str(docker), '--image', 'bad', '--out', str(out)])
