"""Files that repeat the ledger, written from it: README tables, inputs of the locks, definition files of apptainer.

Standard library only, Python >= 3.6.
"""
import os
import string
import textwrap

from mtp.files import write_text
from mtp.launch import ledger

TABLE_BEGIN = '<!-- generated from docker/environments.json: make lock -->'
TABLE_END = '<!-- end of generated table -->'
TABLE_FILES = ('README.md', 'README.ko.md')
NOTICE = '# Generated from docker/environments.json by python3 -m mtp.launch.ledger --write\n'


def with_table(text, table):
    """``text`` with everything between the two markers replaced by ``table``; unchanged when it has no markers."""
    head, begin, rest = text.partition(TABLE_BEGIN)
    _, end, tail = rest.partition(TABLE_END)
    return head + begin + '\n' + table + '\n' + end + tail if begin and end else text


def tables(root=ledger.ROOT):
    """The README files with their table brought up to date, as far as they exist: ``{name: text}``."""
    files = {}
    for name in TABLE_FILES:
        path = os.path.join(root, name)
        if os.path.exists(path):
            with open(path, encoding='utf-8', newline='') as stream:
                files[name] = with_table(stream.read(), ledger.readme_table())
    return files


def _requirements(lines):
    return NOTICE + ''.join(line + '\n' for line in lines)


def lock_inputs():
    """What the lock tool resolves, ``{path: text}``: the pins of the ledger and what our own code needs beside them."""
    wanted = ledger.load()['requirements']
    setuptools = ''
    files = {}
    for name in ledger.names():
        pins = ledger.shipped(name)
        setuptools = 'setuptools==' + pins['setuptools']
        lines = ['{}=={}'.format(package, version) for package, version in pins.items()]
        files['docker/locks/{}.in'.format(name)] = _requirements(lines + wanted['runtime'])
    files['docker/locks/dev.in'] = _requirements(wanted['development'])
    files['docker/locks/pip.in'] = _requirements(wanted['installer'] + [setuptools])
    files['docker/locks/build.in'] = _requirements(wanted['build'])
    return files


def definitions():
    """One definition file of apptainer for each environment, ``{path: text}``, from ``apptainer/template.def``."""
    with open(os.path.join(ledger.ROOT, 'apptainer', 'template.def'), encoding='utf-8', newline='') as stream:
        template = string.Template(stream.read())
    files = {}
    for name in ledger.names():
        entry = ledger.environment(name)
        pins = [('Python', entry['python']['shipped'])] + list(ledger.shipped(name).items())
        versions = textwrap.fill(', '.join('=='.join(pin) for pin in pins), width=100, initial_indent=' ' * 4,
                                 subsequent_indent=' ' * 4, break_on_hyphens=False)
        text = template.substitute(env=name, digest=ledger.digest(name), image=ledger.image_tag(name).partition(':')[0],
                                   serves=entry['serves'], versions=versions)
        files['apptainer/{}.def'.format(name)] = NOTICE + text
    return files


def files(root=ledger.ROOT):
    """Every generated file, ``{path below the repository: text it has to hold}``."""
    result = tables(root)
    result.update(lock_inputs())
    result.update(definitions())
    return result


def _content(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding='utf-8', newline='') as stream:
        return stream.read()


def differing(root=ledger.ROOT):
    """Paths of the generated files that are missing or do not hold what the ledger says."""
    return [name for name, text in files(root).items() if _content(os.path.join(root, name)) != text]


def write(root=ledger.ROOT):
    """Rewrite the files that differ; returns their paths."""
    texts, wrong = files(root), differing(root)
    for name in wrong:
        write_text(os.path.join(root, name), texts[name])
    return wrong
