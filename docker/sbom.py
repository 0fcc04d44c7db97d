"""The bill of materials of an image: CycloneDX 1.5, written while the image is built, or taken out of a finished one.

    python docker/sbom.py --env mmrotate1 --variant cpu --reports DIR --locks DIR --out FILE    # inside the build
    python3 docker/sbom.py --docker docker --image mtp/mmrotate1:cpu --out FILE                 # afterwards

It holds every Python distribution with the hash of the very file that pip installed (which is one of the lock's, or the
build fails), the operators compiled here with the hash of their source, every Debian package, Python itself, and the
shared libraries that were added beside the packages, under the package that each is of; with licences and suppliers as
far as the packages say them, and with what the variant's image has been relieved of. The same inputs give the same
bytes: no time, sorted.

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
LIBRARIES, OWNERS = '/usr/local/lib/*.so*', '/usr/local/lib/owners'
COPYRIGHT = '/usr/share/doc/{}/copyright'
DROPPED = 'dropped.json'  # among the reports: what slim.py did
HASH = re.compile(r'--hash=sha256:([0-9a-f]{64})')


def component(kind, name, version='', purl='', hashes=(), supplier='', licences=(), **properties):
    """One component of the bill."""
    made = {'type': kind, 'bom-ref': purl or '{}:{}'.format(kind, name), 'name': name}
    made.update({'version': version} if version else {})
    made.update({'purl': purl} if purl else {})
    made.update({'hashes': [{'alg': 'SHA-256', 'content': value} for value in hashes]} if hashes else {})
    made.update({'supplier': {'name': supplier}} if supplier else {})
    made.update({'licenses': [{'license': {'name': each}} for each in licences]} if licences else {})
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
    for path in sorted(glob.glob(os.path.join(folder, '[0-9]*.json'))):
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
    for each in sorted(distributions(), key=lambda found: normal(found.metadata['Name'])):
        name, version = normal(each.metadata['Name']), each.version
        file, digest = files.get(name, ('', ''))
        facts = {'file': file} if file else {}
        if name == normal(ops['package']):
            facts['source'] = '{sdist} sha256:{sha256}'.format(**ops)
        elif digest not in admitted:
            strange.append('{} {} ({})'.format(name, version, digest or 'no hash'))
        facts.update(relieved(reports, each))
        yield component('library', name, version, 'pkg:pypi/{}@{}'.format(name, version), [digest] if digest else (),
                        author(each.metadata), declared(each.metadata), **facts)
    if strange:
        raise MTPError('installed, but in no lock: ' + ', '.join(strange), hint='make lock, then build again',
                       code=FAILED)


def relieved(reports, distribution):
    """Property ``dropped`` of a distribution that :mod:`slim` took files from, or made smaller; {} for others."""
    path = os.path.join(reports, DROPPED)
    if not os.path.exists(path):
        return {}
    with open(path, encoding='utf-8') as stream:
        done = json.load(stream)
    own = {str(each) for each in distribution.files or ()}
    mine = [each for each in done if each['path'] in own or any(name.startswith(each['path'] + '/') for name in own)]
    lines = ['{how} {path}: {reason}'.format(**each) + (' (sha256 {was}, now {is})'.format(**each)
                                                       if 'is' in each else '') for each in mine]
    return {'dropped': '\n'.join(lines)} if lines else {}


def author(metadata):
    """Who supplies a distribution, as its metadata say it."""
    said = metadata.get('Author') or metadata.get('Maintainer') or metadata.get('Author-email') or ''
    return said.strip() or metadata.get('Maintainer-email', '')


def declared(metadata):
    """Licences that a distribution declares: by expression, classifiers, or the first line of its text."""
    found = [metadata['License-Expression']] if metadata.get('License-Expression') else []
    found += sorted(each.rpartition(' :: ')[2] for each in metadata.get_all('Classifier') or ()
                    if each.startswith('License ::') and each != 'License :: OSI Approved')
    lines = [line.strip() for line in (metadata.get('License') or '').splitlines() if line.strip()]
    return found or [line for line in lines[:1] if line != 'UNKNOWN']


def debian_licences(name, pattern=COPYRIGHT):
    """Licences that the copyright file of a Debian package names; () where there is none in the common form."""
    path = pattern.format(name)
    if not os.path.exists(path):
        return ()
    with open(path, encoding='utf-8', errors='replace') as stream:
        return sorted({line.split(':', 1)[1].strip() for line in stream if line.startswith('License:')} - {''})


def debian_purl(distribution, name, version, architecture):
    """Package URL of a Debian package."""
    return 'pkg:deb/{}/{}@{}?arch={}'.format(distribution, name, version.replace(':', '%3A'), architecture)


def debian_components(say):
    """The packages of the image, from what ``dpkg-query`` printed."""
    with open('/etc/os-release', encoding='utf-8') as stream:
        release = dict(line.rstrip().replace('"', '').split('=', 1) for line in stream if '=' in line)
    for line in sorted(say.splitlines()):
        name, version, architecture, maintainer = (line.split('\t') + [''])[:4]
        yield component('library', name, version, debian_purl(release['ID'], name, version, architecture),
                        supplier=maintainer, licences=debian_licences(name))
    yield component('operating-system', release['ID'], release.get('VERSION_ID', ''))


def loose_components(pattern=LIBRARIES, owners=OWNERS):
    """Libraries that were added as files, each with the Debian package that it is of, where that is known."""
    known = {}
    if os.path.exists(owners):
        with open(owners, encoding='utf-8') as stream:
            known = {fields[0]: fields for fields in (line.rstrip('\n').split('\t') for line in stream)}
    for path in sorted(glob.glob(pattern)):
        fields = known.get(os.path.basename(path), ())
        if len(fields) < 6:
            yield component('file', path, hashes=[sha256(path)])
            continue
        _, name, version, architecture, release, maintainer = fields
        purl = debian_purl(release.partition('-')[0], name, version, architecture)
        found = component('file', path, version, hashes=[sha256(path)], supplier=maintainer, package=name)
        yield dict(found, purl='{}&distro={}'.format(purl, release))


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
    form = '${Package}\t${Version}\t${Architecture}\t${Maintainer}\n'
    debian = subprocess.check_output(['dpkg-query', '-W', '-f', form]).decode()
    found = list(python_components(options.env, options.reports, locked(options.locks), options.wheels))
    found += list(debian_components(debian))
    found.append(component('application', 'python', platform.python_version(),
                           hashes=[sha256(os.path.realpath(sys.executable))]))
    found += list(loose_components())
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
