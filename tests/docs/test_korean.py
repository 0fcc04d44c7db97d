"""README.ko.md and the Korean pages say what the English ones say: headings, blocks, links and figures are the same.

In a block of code the words of a comment may be translated (:func:`tests.docs.pages.comment` says where one begins);
``# needs:`` stays, and so do the paths, settings and figures of a comment. Everything else is equal byte for byte.
"""
import glob
import os
import re

import pytest

from tests.docs import pages

NAMES = sorted(os.path.basename(path) for path in glob.glob(os.path.join(pages.ROOT, 'docs', 'ko', '*.md')))
README = ('README.ko.md', 'README.md')
PAIRS = [README] + [(pages.KOREAN + name, 'docs/' + name) for name in NAMES]
KOREAN = [page for page, _ in PAIRS]
HANGUL = re.compile('[가-힣]')
POLITE = re.compile('[가-힣]+(?:니다|세요|해요|에요|예요)(?![가-힣])')
CLOSED = 17  # the final consonant of 합, 입, 습: 아니다 is plain, 합니다 is not


def prose(page):
    """Paragraphs and items, without the line that only names the other language."""
    return [block.text for block in pages.blocks(pages.read(page))
            if block.kind in ('text', 'item') and not block.text.startswith('English: ')]


def polite(text):
    """Words of ``text`` in the polite style; the pages are written in the plain one."""
    return [word for word in POLITE.findall(text)
            if not word.endswith('니다') or (ord(word[-3]) - ord('가')) % 28 == CLOSED]


def resolved(page):
    """Where the links of a page lead, as they are written: (link, path below the repository)."""
    for link in pages.LINK.findall(pages.SPAN.sub('`', pages.read(page))):
        if not link.startswith(('https:', '#')):
            yield link, os.path.normpath(os.path.join(os.path.dirname(page), link.partition('#')[0]))


@pytest.mark.parametrize('page, original', PAIRS, ids=KOREAN)
def test_a_korean_page_is_in_step_with_the_english_one(page, original):
    assert os.path.exists(os.path.join(pages.ROOT, original)), page + ' is the translation of no page'
    found = pages.differences(pages.read(page), pages.read(original), page, original)
    assert not found, '\n' + '\n'.join(found)


@pytest.mark.parametrize('name', NAMES)
def test_the_two_pages_lead_to_each_other_below_their_title(name):
    for page, line in ((pages.KOREAN + name, 'English: [{0}](../{0})'), ('docs/' + name, '한국어: [ko/{0}](ko/{0})')):
        title, first = pages.blocks(pages.read(page))[:2]
        assert title.kind == 'heading' and first.text == line.format(name), page


@pytest.mark.parametrize('page', KOREAN)
def test_a_korean_page_leads_to_korean_ones(page):
    english = {original for there, original in PAIRS if there != page}
    wrong = [link for link, path in resolved(page) if path in english]
    assert not wrong, f'{page} leads to English pages that there are in Korean: {wrong}'


@pytest.mark.parametrize('page', KOREAN)
def test_every_paragraph_is_translated_in_one_style(page):
    for text in prose(page):
        assert HANGUL.search(text), text
        assert not polite(text), (polite(text), text)


ENGLISH = """# Cards

한국어: [ko/laptop.md](ko/laptop.md)

It takes 15 minutes, and `make setup`
is [typed](laptop.md#one-step-at-a-time) first.

| step | time |
|---|---|
| `a|b` | *3 hours* on 1 card |

## Do it

* Look at `work_dirs`.

```sh
# needs: GPU
make demo ARGS='# no'   # prints 2 words into data/x.txt
make check
```
"""
TRANSLATED = """# 카드

English: [laptop.md](../laptop.md)

먼저 [입력하는](laptop.md#한-단계씩) 것은 `make setup` 이며
15분이 걸린다.

| 단계 | 시간 |
|---|---|
| `a|b` | 카드 1장으로 *3시간* |

## 실행

* `work_dirs` 를 본다.

```sh
# needs: GPU
make demo ARGS='# no'   # 단어 2개를 data/x.txt에 출력한다
make check
```
"""


def differences(text):
    return pages.differences(text, ENGLISH, 'docs/ko/laptop.md', 'docs/laptop.md')


def test_a_translation_in_step_differs_in_nothing():
    assert differences(TRANSLATED) == []


@pytest.mark.parametrize('old, new, place, said', [
    ('## 실행', '### 실행', '', "headings: ### '### 실행' in place of ## '## Do it'"),
    ('## 실행\n', '', '', "headings: ## '## Do it' is missing"),
    ('15분이', '10분이', '# 카드', "figures: '15' is missing; '10' is too much"),
    ('`make setup` 이며', '설치이며', '# 카드', "code: 'make setup' is missing"),
    ('#한-단계씩)', ')', '# 카드', "links: 'docs/laptop.md, heading 2' is missing; 'docs/laptop.md' is"),
    ('#한-단계씩)', '#한-걸음씩)', '# 카드', "'docs/laptop.md, no heading #한-걸음씩' is too much"),
    ('*3시간*', '3시간', '# 카드', "slanted: '3' is missing"),
    ('*3시간*', '3 *시간*', '# 카드', "slanted: '3' is missing; 'words' is too much"),
    ('laptop.md#한-단계씩)', 'gone.md#한-단계씩)', '# 카드', "'docs/gone.md, no heading #한-단계씩' is too much"),
    ('| 카드 1장으로 *3시간* |', '| 카드 1장으로 | *3시간* |', '# 카드', '3 cells in place of 2'),
    ('| `a|b` | 카드 1장으로 *3시간* |\n', '', '# 카드', "row '| `a|b` | *3 hours* on 1 card |' is missing"),
    ('# needs: GPU', '# 필요: GPU', '## 실행', "'# 필요: GPU' in place of '# needs: GPU'"),
    ('make check', 'make  check', '## 실행', "'make  check' in place of 'make check'"),
    ('make check\n', '', '## 실행', '4 lines in place of 5'),
    ('make check', 'make check # 확인', '## 실행', "'make check # 확인' in place of 'make check'"),
    ("'# no'", "'# 아니'", '## 실행', 'in place of "make demo ARGS=\'# no\'   # prints'),
    ('data/x.txt', 'data/y.txt', '## 실행', "'data/x.txt' is missing; 'data/y.txt' is too much"),
    ('단어 2개', '단어 3개', '## 실행', "'2' is missing; '3' is too much"),
    ('* `work_dirs` 를', '`work_dirs` 를', '## 실행', "text '`work_dirs` 를 본다.' in place of item '* Look at"),
])
def test_what_differs_is_named_with_its_file_and_heading(old, new, place, said):
    assert old in TRANSLATED
    found = differences(TRANSLATED.replace(old, new))
    assert len(found) == 1 and said in found[0], found
    where = f", '{place}' (docs/laptop.md, " if place else ': '
    assert found[0].startswith('docs/ko/laptop.md' + where)


def test_the_polite_style_is_found():
    assert polite('설치합니다. 실행하세요. 이것은 아니다. 폴더를 지니다.') == ['설치합니다', '실행하세요']
