"""Files that repeat the ledger, written from it: README tables, inputs of the locks, definition files of apptainer.

Standard library only, Python >= 3.6.
"""
import os
import string
import textwrap
from typing import Any, Dict, Iterable, List, Mapping, Optional

from mtp.files import write_text
from mtp.launch import ledger

TABLE_BEGIN = '<!-- generated from docker/environments.json: make lock -->'
TABLE_END = '<!-- end of generated table -->'
NOTICE = '# Generated from docker/environments.json by python3 -m mtp.launch.ledger --write\n'


def with_table(text: str, table: str) -> str:
    """``text`` with everything between the two markers replaced by ``table``; unchanged when it has no markers."""
    head, begin, rest = text.partition(TABLE_BEGIN)
    _, end, tail = rest.partition(TABLE_END)
    return head + begin + '\n' + table + '\n' + end + tail if begin and end else text


def tables(root: str = ledger.ROOT) -> Dict[str, str]:
    """The pages with a table brought up to date, as far as they exist: ``{name: text}``."""
    files = {}
    for name, table in TABLES.items():
        path = os.path.join(root, name)
        if os.path.exists(path):
            with open(path, encoding='utf-8', newline='') as stream:
                files[name] = with_table(stream.read(), table())
    return files


def readme_table() -> str:
    """Markdown table of all environments: what is shipped, and what was published where it differs."""
    columns = {name: dict([('Python', ledger.environment(name)['python'])] + list(ledger.pins(name).items()) +
                          list(ledger.environment(name)['own'].items()))
               for name in ledger.names()}
    packages = list(dict.fromkeys(package for found in columns.values() for package in found))
    lines = ['| | ' + ' | '.join(columns) + ' |', '|---' * (1 + len(columns)) + '|',
             '| serves | ' + ' | '.join(ledger.environment(name)['serves'] for name in columns) + ' |',
             '| for the record | ' + ' | '.join('no' if ledger.standing(name) else 'yes' for name in columns) + ' |']
    for package in packages:
        lines.append('| ' + ' | '.join([package] + [_cell(found.get(package)) for found in columns.values()]) + ' |')
    return '\n'.join(lines)


def _cell(pin: Optional[Mapping[str, Any]]) -> str:
    """Version shipped, with the published one where that is no beginning of it."""
    if pin is None:
        return '–'
    published = pin['documented']
    differs = published and not (pin['shipped'] + '.').startswith(published + '.')
    return pin['shipped'] + (f' (published: {published})' if differs else '')


def variants_table() -> str:
    """Markdown table of the variants for cards: torch, CUDA, cards, driver and why each is there."""
    rows = {}
    for env in ledger.names():
        for kind in ledger.with_cuda(env):
            entry = ledger.variant(env, kind)
            cards = 'sm_{} to sm_{}'.format(*(entry['architectures'][each].replace('.', '') for each in (0, -1)))
            row = (kind, ledger.shipped(env, kind)['torch'], entry['cuda'], cards, entry['driver'],
                   '{}: {}'.format(entry['standing'], entry['reason']))
            rows.setdefault(row, []).append(env)
    lines = ['| `VARIANT` | of | torch | CUDA | cards | driver from | why |', '|---' * 7 + '|']
    lines += ['| ' + ' | '.join([f'`{row[0]}`', ', '.join(envs)] + list(row[1:])) + ' |'
              for row, envs in rows.items()]
    return '\n'.join(lines)


TABLES = {'README.md': readme_table, 'README.ko.md': readme_table, 'docs/gpu-server.md': variants_table,
          'docs/ko/gpu-server.md': variants_table}


def _requirements(lines: Iterable[str]) -> str:
    return NOTICE + ''.join(line + '\n' for line in lines)


def lock_inputs() -> Dict[str, str]:
    """What the lock tool resolves, ``{path: text}``: the pins of the ledger and what our own code needs beside them."""
    found = {}
    for name in ledger.names():
        wanted, setuptools = ledger.requirements(name), ledger.shipped(name).get('setuptools')
        for kind in ledger.variants(name):
            pins = [f'{package}=={version}' for package, version in ledger.shipped(name, kind).items()]
            found[f'{name}-{kind}'] = pins + wanted['runtime']
            if ledger.variant(name, kind)['cuda']:
                found[f'{name}-{ledger.headers(kind)}'] = ledger.variant(name, kind)['nvcc']['headers']
        found[name + '-dev'] = wanted['development']
        found[name + '-pip'] = wanted['installer'] + ['setuptools==' + setuptools if setuptools else 'setuptools']
        found[name + '-build'] = wanted['build']
    return {f'docker/locks/{name}.in': _requirements(lines) for name, lines in found.items()}


def definitions() -> Dict[str, str]:
    """One definition file of apptainer for each environment, ``{path: text}``, from ``apptainer/template.def``."""
    with open(os.path.join(ledger.ROOT, 'apptainer', 'template.def'), encoding='utf-8', newline='') as stream:
        template = string.Template(stream.read())
    files = {}
    for name in ledger.names():
        entry = ledger.environment(name)
        pins = [('Python', entry['python']['shipped'])] + list(ledger.shipped(name).items())
        versions = textwrap.fill(', '.join('=='.join(pin) for pin in pins), width=100, initial_indent=' ' * 4,
                                 subsequent_indent=' ' * 4, break_on_hyphens=False)
        text = template.substitute(env=name, image=ledger.image_tag(name).partition(':')[0], serves=entry['serves'],
                                   variant=ledger.plain(name), cuda=', '.join(ledger.with_cuda(name)),
                                   versions=versions)
        files[f'apptainer/{name}.def'] = NOTICE + text
    return files


def files(root: str = ledger.ROOT) -> Dict[str, str]:
    """Every generated file, ``{path below the repository: text it has to hold}``."""
    result = tables(root)
    result.update(lock_inputs())
    result.update(definitions())
    return result


def _content(path: str) -> Optional[str]:
    if not os.path.exists(path):
        return None
    with open(path, encoding='utf-8', newline='') as stream:
        return stream.read()


def differing(root: str = ledger.ROOT) -> List[str]:
    """Paths of the generated files that are missing or do not hold what the ledger says."""
    return [name for name, text in files(root).items() if _content(os.path.join(root, name)) != text]


def write(root: str = ledger.ROOT) -> List[str]:
    """Rewrite the files that differ; returns their paths."""
    texts, wrong = files(root), differing(root)
    for name in wrong:
        write_text(os.path.join(root, name), texts[name])
    return wrong
