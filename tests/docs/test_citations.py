"""What code, tests and messages cite of the published work stands in docs/published.md, under that very heading."""
import glob
import os
import re

import pytest

from mtp.adapters import recipes

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = os.path.join(ROOT, 'docs', 'published.md')
PLACES = ('ci', 'configs', 'docker', 'docs', 'mtp', 'scripts', 'tests', 'tools')
CITED = re.compile(r'published\.md(#[a-z0-9-]+(?:, #[a-z0-9-]+)*)')
# Numbers that lead nowhere for who has this repository alone.
DANGLING = re.compile(r'\bspec(?:ification)?[ /](?:\d|[a-z_]+(?:\.md| \d))|\b(?:finetuning|data_and_submission) \d'
                      r'|\((?:[DS]\d{1,2}(?:[,;] [^()]*)?|[1-9]\.\d, \d{1,2})\)')


def read(path):
    with open(path, encoding='utf-8') as stream:
        return stream.read()


def headings(text):
    """Anchors of the headings of a page, as a forge makes them."""
    return [re.sub(r'[^a-z0-9 -]', '', line.lower()).replace(' ', '-')
            for line in re.findall(r'^#+ (.*)$', text, re.M)]


def files():
    for place in PLACES:
        for path in glob.glob(os.path.join(ROOT, place, '**', '*'), recursive=True):
            if path.endswith(('.py', '.md', '.sh', '.def')) and '__pycache__' not in path and path != __file__:
                yield path


def citations(text):
    return [anchor for group in CITED.findall(text) for anchor in re.findall(r'#([a-z0-9-]+)', group)]


def prose(text):
    """Comments and the text in quotes of three, where a number in brackets is no argument."""
    return '\n'.join(re.findall(r'(?:^|\s)#[^\n]*|"""(?:.|\n)*?"""', text))


def test_a_citation_leads_to_a_heading():
    known, cited = set(headings(read(PAGE))), 0
    for path in files():
        for anchor in citations(read(path)):
            assert anchor in known, f'{path}: published.md#{anchor} is no heading of docs/published.md'
            cited += 1
    assert cited > 80


def test_a_sentence_for_users_leads_to_a_heading():
    assert {oddity.fact for oddity in recipes.ODDITIES} <= set(headings(read(PAGE)))


def test_no_heading_stands_twice():
    found = headings(read(PAGE))
    assert len(found) == len(set(found))


def test_no_citation_is_a_bare_number():
    for path in files():
        found = DANGLING.search(prose(read(path)) if path.endswith('.py') else read(path))
        assert not found, f'{path}: {found.group(0)!r} leads nowhere; cite published.md#heading'


@pytest.mark.parametrize('text', [
    '# as released (D4)', '# (D14, D15)', '"""Fields (spec 2.3)."""', '# finetuning 5.2, 8', '"""(S5; and more)"""',
    '# (5.2, 8)', '# spec/pretraining.md', '# spec finetuning 2.3'])
def test_a_bare_number_is_found(text):
    assert DANGLING.search(prose(text))


def test_several_headings_of_one_citation_are_read():
    assert citations('(published.md#rvsa-vit, #wirings); docs/published.md#d, and #x') == ['rvsa-vit', 'wirings', 'd']
