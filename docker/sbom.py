"""The bill of materials of an image: CycloneDX 1.5, written while the image is built, or taken out of a finished one.

    python docker/sbom.py --env mmrotate1 --variant cpu --reports DIR --locks DIR --out FILE    # inside the build
    python3 docker/sbom.py --docker docker --image mtp/mmrotate1:cpu --out FILE                 # afterwards

It holds every Python distribution with the hash of the very file that pip installed (which is one of the lock's, or the
build fails), the operators compiled here with the hash of their source, every Debian package, Python itself, and the
shared libraries that were added beside the packages. The same inputs give the same bytes: no time, sorted.

An own writer, because the usual tool for Python 3.8 sees neither Debian's packages nor which of a lock's hashes was
installed. Standard library only.
"""
import argparse
import glob
import json
import os
import platform
import re
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from mtp.errors import FAILED, OK, MTPError, run_main  # noqa: E402
from mtp.files import sha256, write_json, write_text  # noqa: E402
from mtp.launch import ledger  # noqa: E402

INSIDE = '/opt/sbom/sbom.cdx.json'
LIBRARIES = '/usr/local/lib/*.so*'
HASH = re.compile(r'--hash=sha256:([0-9a-f]{64})')


def component(kind, name, version='', purl='', hashes=(), **properties):
    """One component of the bill."""
    made = {'type': kind, 'bom-ref': purl or '{}:{}'.format(kind, name), 'name': name}
    made.update({'version': version} if version else {})
    made.update({'purl': purl} if purl else {})
    made.update({'hashes': [{'alg': 'SHA-256', 'content': value} for value in hashes]} if hashes else {})
    if properties:
        made['properties'] = [{'name': 'org.mtp.' + key, 'value': value} for key, value in sorted(properties.items())]
    return made


def normal(name):
    """Package name as the index compares it (PEP 503)."""
    return re.sub(r'[-_.]+', '-', name).lower()


def locked(folder):
    """Every hash that the locks in ``folder`` admit."""
    found = set()
    for path in glob.glob(os.path.join(folder, '*.txt')):
        with open(path, encoding='utf-8') as stream:
            found.update(HASH.findall(stream.read()))
    return found


def installed(folder, wheels=''):
    """``{name: (file, SHA-256)}`` of what pip said it installed, from the reports in ``folder``.

    The pip that comes with Python says no hash of a file that lay in the folder ``wheels``: it is hashed here.
    """
    found = {}
    for path in sorted(glob.glob(os.path.join(folder, '*.json'))):
        with open(path, encoding='utf-8') as stream:
            for item in json.load(stream)['install']:
                info = item['download_info']
                file = info['url'].rpartition('/')[2]
                digest = info.get('archive_info', {}).get('hashes', {}).get('sha256', '')
                path = os.path.join(wheels, file)
                if not digest and wheels and os.path.isfile(path):
                    digest = sha256(path)
                found[normal(item['metadata']['name'])] = (file, digest)
    return found


def python_components(env, reports, admitted, wheels=''):
    """The distributions of this interpreter's environment.

    Raises:
        MTPError: a file that is neither in the locks nor compiled here from the ledger's source.
    """
    from importlib.metadata import distributions
    files, ops, strange = installed(reports, wheels), ledger.environment(env)['ops'], []
    git = ledger.environment(env)['git']
    for name, version in sorted({(normal(each.metadata['Name']), each.version) for each in distributions()}):
        file, digest = files.get(name, ('', ''))
        facts = {'file': file} if file else {}
        if name == normal(ops['package']):
            facts['source'] = '{sdist} sha256:{sha256}'.format(**ops)
        elif name in git:
            facts['source'] = 'git+{url}@{commit}'.format(**git[name])
        elif digest not in admitted:
            strange.append('{} {} ({})'.format(name, version, digest or 'no hash'))
        yield component('library', name, version, 'pkg:pypi/{}@{}'.format(name, version), [digest] if digest else (),
                        **facts)
    if strange:
        raise MTPError('installed, but in no lock: ' + ', '.join(strange), hint='make lock, then build again',
                       code=FAILED)


def debian_components(say):
    """The packages of the base image, from what ``dpkg-query`` printed."""
    release = dict(line.rstrip().replace('"', '').split('=', 1) for line in open('/etc/os-release') if '=' in line)
    for line in sorted(say.splitlines()):
        name, version, architecture = line.split('\t')
        yield component('library', name, version, 'pkg:deb/{}/{}@{}?arch={}'.format(
            release['ID'], name, version.replace(':', '%3A'), architecture))
    yield component('operating-system', release['ID'], release.get('VERSION_ID', ''))


def bill(env, variant, components):
    """The whole document."""
    body = {
        'metadata': {'component': component('container', 'mtp/' + env, variant, ledger=ledger.digest(env))},
        'components': sorted(components, key=lambda item: item['bom-ref'])}
    name = json.dumps(body, sort_keys=True)
    head = {'bomFormat': 'CycloneDX', 'specVersion': '1.5', 'version': 1,
            'serialNumber': 'urn:uuid:{}'.format(uuid.uuid5(uuid.NAMESPACE_OID, name))}
    return dict(head, **body)


def write(options):
    """Inside the build: look around and write."""
    debian = subprocess.check_output(['dpkg-query', '-W', '-f', '${Package}\t${Version}\t${Architecture}\n']).decode()
    found = list(python_components(options.env, options.reports, locked(options.locks), options.wheels))
    found += list(debian_components(debian))
    found.append(component('application', 'python', platform.python_version(),
                           hashes=[sha256(os.path.realpath(sys.executable))]))
    found += [component('file', path, hashes=[sha256(path)]) for path in sorted(glob.glob(LIBRARIES))]
    write_json(options.out, bill(options.env, options.variant, found))
    return found


def take(options):
    """Afterwards: read it out of the image."""
    words = [options.docker, 'run', '--rm', '--network', 'none', '--entrypoint', 'cat', options.image, INSIDE]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise MTPError('{} holds no {}: {}'.format(options.image, INSIDE,
                                                   done.stderr.decode().strip()), hint='make images', code=FAILED)
    write_text(options.out, done.stdout.decode())
    return json.loads(done.stdout.decode())['components']


def main(argv=None):
    """Write the bill of materials of this image, or take that of a finished one."""
    parser = argparse.ArgumentParser(prog='sbom.py', description=main.__doc__)
    parser.add_argument('--env')
    parser.add_argument('--variant')
    parser.add_argument('--reports', help='folder with what pip reported')
    parser.add_argument('--wheels', default='/tmp/wheels', help='folder of wheels that pip was given, if any')
    parser.add_argument('--locks', help='folder of the locks')
    parser.add_argument('--docker', default='docker', help='docker client')
    parser.add_argument('--image', help='take it out of this image')
    parser.add_argument('--out', required=True)
    options = parser.parse_args(argv)
    found = take(options) if options.image else write(options)
    kinds = ['pkg:pypi/', 'pkg:deb/']
    count = [sum(item['bom-ref'].startswith(kind) for item in found) for kind in kinds]
    print('{}: {} Python distributions, {} Debian packages, {} other components; sha256:{}'.format(
        options.out, count[0], count[1], len(found) - sum(count), sha256(options.out)[:16]))
    return OK


if __name__ == '__main__':
    run_main(main)
