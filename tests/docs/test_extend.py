"""docs/extend.md names files and tables that are there, and a list that says it was tried is one for each kind."""
import glob
import os
import re

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KINDS = ('A data set of the record', 'A backbone', 'An environment or a variant', 'A runtime',
         'A format of submissions', 'A verb', 'A task of pretraining', 'A number')


def page():
    with open(os.path.join(ROOT, 'docs', 'extend.md'), encoding='utf-8') as stream:
        return stream.read()


def test_every_kind_has_its_list():
    assert tuple(re.findall(r'^## (.*)$', page(), re.M)) == KINDS


def test_every_file_is_there():
    named = re.findall(r"\b((?:mtp|configs|tests|ci|docker|apptainer)/[\w./*-]+\.\w+|Makefile)", page())
    assert len(named) > 40
    for path in named:
        pattern = re.sub('NAME|FORMAT|BLOCK|HEAD', '*', path)
        assert glob.glob(os.path.join(ROOT, pattern)), path


def test_every_table_of_code_is_in_its_file():
    for line in page().splitlines():
        if not line.startswith('| `'):
            continue
        files, what = re.findall(r'`([^`]+)`', line.split('|')[1]), re.findall(r'`([A-Z_]{3,})`', line.split('|')[2])
        texts = []
        for path in files:
            for found in glob.glob(os.path.join(ROOT, re.sub('NAME|FORMAT|BLOCK|HEAD', '*', path))):
                with open(found, encoding='utf-8') as stream:
                    texts.append(stream.read())
        for name in what:
            assert any(re.search(rf'^{name}\b', text, re.M) for text in texts), (line, name)
