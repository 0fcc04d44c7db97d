"""A page read as headings, blocks of code, rows of tables, items and paragraphs, and how a translation differs."""
import os
import re
from collections import Counter
from typing import Dict, Iterator, List, NamedTuple, Tuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KOREAN = 'docs/ko/'

SPAN = re.compile(r'(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)', re.S)
LINK = re.compile(r'\]\(([^)\s]+)\)')
SLANTED = re.compile(r'(?<![*\w])\*(?=\S)([^*]+)\*')
FIGURE = re.compile(r'\d+(?:[.,:]\d+)*')
# Words of a comment that are typed or looked for as they stand: paths, settings, names of files.
NAME = re.compile(r'[A-Za-z0-9_./*=<>$-]+')


class Block(NamedTuple):
    """One piece of a page: ``kind`` is heading, code, row, item, mark or text."""
    kind: str
    text: str


def read(name: str) -> str:
    """Text of a file, by its path below the repository."""
    with open(os.path.join(ROOT, name), encoding='utf-8') as stream:
        return stream.read()


KINDS = (('heading', re.compile(r'#+ ')), ('row', re.compile(r'\|')), ('mark', re.compile('<!--')),
         ('item', re.compile(r'(?:[*-]|\d+\.) ')))


def _kind(line: str) -> str:
    return next((kind for kind, begins in KINDS if begins.match(line)), 'text')


def blocks(text: str) -> List[Block]:
    """The pieces of a page in their order; the lines of a paragraph and of an item are joined by blanks."""
    found: List[Block] = []
    for number, part in enumerate(re.split(r'^(```.*?^```)$', text, flags=re.M | re.S)):
        found += [Block('code', part)] if number % 2 else _prose(part)
    return found


def _prose(text: str) -> Iterator[Block]:
    for part in re.split(r'\n\s*\n', text):
        gathered: List[Block] = []
        for line in filter(str.strip, part.splitlines()):
            kind = _kind(line)
            if gathered and kind == 'text' and gathered[-1].kind in ('text', 'item'):
                gathered[-1] = gathered[-1]._replace(text=gathered[-1].text + ' ' + line.strip())
            else:
                gathered.append(Block(kind, line.strip()))
        yield from gathered


def sections(text: str) -> List[Tuple[str, List[Block]]]:
    """(heading, blocks below it) of a page in their order; what stands above the first heading has the heading ''."""
    found: List[Tuple[str, List[Block]]] = [('', [])]
    for block in blocks(text):
        if block.kind == 'heading':
            found.append((block.text, []))
        else:
            found[-1][1].append(block)
    return found


def anchors(text: str) -> List[str]:
    """Anchors of the headings of a page, as a forge makes them."""
    return [re.sub(r'[^\w -]', '', block.text.lstrip('# ').lower()).replace(' ', '-')
            for block in blocks(text) if block.kind == 'heading']


def comment(line: str) -> Tuple[str, str]:
    """(command with the blanks behind it, comment) of a line of code.

    A comment begins with the first ``#`` that stands outside of quotes, at the start of the line or behind a blank.
    """
    quote = ''
    for at, sign in enumerate(line):
        if sign == '#' and not quote and (at == 0 or line[at - 1].isspace()):
            return line[:at], line[at:]
        if sign == quote:
            quote = ''
        elif sign in '\'"' and not quote:
            quote = sign
    return line, ''


def cells(row: str) -> List[str]:
    """Cells of a row of a table; a bar in a span of code parts nothing."""
    masked = SPAN.sub(lambda found: found.group(0).replace('|', '\0'), row)
    return [cell.strip().replace('\0', '|') for cell in masked.strip('|').split('|')]


def target(link: str, page: str) -> str:
    """Where a link leads, the same for both languages: ``docs/NAME.md``, an anchor by the number of its heading."""
    path, _, anchor = link.partition('#')
    if path.startswith('https:'):
        return link
    path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
    english = path.replace(KOREAN, 'docs/').replace('README.ko.md', 'README.md')
    if not anchor:
        return english
    there = anchors(read(path)) if os.path.exists(os.path.join(ROOT, path)) else []
    return '{}, {}'.format(english, f'heading {there.index(anchor) + 1}' if anchor in there else
                           'no heading #' + anchor)


def names(text: str) -> List[str]:
    """Words of a comment that both languages share: those with a slash, a line below, a sign of equality, a suffix."""
    words = (word.rstrip('.') for word in NAME.findall(text))
    return [word for word in words if re.search(r'[/_=]|[A-Za-z]\.[A-Za-z]', word)]


def facts(text: str, page: str) -> Dict[str, Counter]:
    """What a piece of prose says in any language: its code, ends of links, figures, and what is slanted."""
    bare = SPAN.sub('`', text)
    plain = LINK.sub(']', bare)
    slanted = (FIGURE.findall(part) or ['words'] for part in SLANTED.findall(plain))
    return {
        'code': Counter(' '.join(span.split()) for _, span in SPAN.findall(text)),
        'links': Counter(target(link, page) for link in LINK.findall(bare)),
        'figures': Counter(FIGURE.findall(plain)),
        'slanted': Counter(figure for figures in slanted for figure in figures),
    }


def _unequal(ours: Counter, theirs: Counter) -> str:
    parts = (('{} is missing', theirs - ours), ('{} is too much', ours - theirs))
    return '; '.join(words.format(', '.join(map(repr, sorted(left.elements())))) for words, left in parts if left)


def differing_prose(ours: str, theirs: str, page: str, original: str) -> Iterator[str]:
    """What differs between two pieces of prose, a sentence for each kind of fact."""
    mine, yours = facts(ours, page), facts(theirs, original)
    for what in mine:
        if mine[what] != yours[what]:
            yield f'{what}: {_unequal(mine[what], yours[what])}'


def differing_code(ours: str, theirs: str) -> Iterator[str]:
    """What differs between two blocks of code: all but the words of comments has to be equal, byte for byte."""
    mine, yours = ours.split('\n'), theirs.split('\n')
    if len(mine) != len(yours):
        yield f'{len(mine)} lines in place of {len(yours)}'
        return
    for (command, said), (wanted, original) in zip(map(comment, mine), map(comment, yours)):
        marked = original.startswith('# needs:') and said != original
        if command != wanted or bool(said) != bool(original) or marked:
            yield f'{command + said!r} in place of {wanted + original!r}'
        for find in (names, FIGURE.findall):
            if Counter(find(said)) != Counter(find(original)):
                yield f'{said!r}: {_unequal(Counter(find(said)), Counter(find(original)))}'


def differing_row(ours: str, theirs: str, page: str, original: str) -> Iterator[str]:
    """What differs between two rows of a table, cell by cell."""
    mine, yours = cells(ours), cells(theirs)
    if len(mine) != len(yours):
        yield f'{len(mine)} cells in place of {len(yours)}'
        return
    for cell, wanted in zip(mine, yours):
        yield from differing_prose(cell, wanted, page, original)
        if bool(cell) != bool(wanted):
            yield f'{cell!r} in place of {wanted!r}'


def _differing(block: Block, wanted: Block, page: str, original: str) -> Iterator[str]:
    if block.kind == 'code':
        return differing_code(block.text, wanted.text)
    if block.kind == 'mark':
        return iter([] if block == wanted else [f'{block.text!r} in place of {wanted.text!r}'])
    judge = differing_row if block.kind == 'row' else differing_prose
    return judge(block.text, wanted.text, page, original)


def _begins(block: Block) -> str:
    text = ' '.join(block.text.replace('```', '').split())
    return '{} {!r}'.format(block.kind, text if len(text) < 60 else text[:60] + '…')


def _first_unequal(mine: List[Block], yours: List[Block]) -> str:
    """Where two lists of blocks part, in words."""
    for block, wanted in zip(mine, yours):
        if block.kind != wanted.kind:
            return f'{_begins(block)} in place of {_begins(wanted)}'
    longer, what = (mine, 'is too much') if len(mine) > len(yours) else (yours, 'is missing')
    return f'{_begins(longer[min(len(mine), len(yours))])} {what}'


def _levels(page: List[Tuple[str, List[Block]]]) -> List[str]:
    return [heading.partition(' ')[0] for heading, _ in page]


def differences(ours: str, theirs: str, page: str, original: str) -> List[str]:
    """Each place where the text of a translated ``page`` is not in step with the ``original``, a sentence each."""
    mine, yours = sections(ours), sections(theirs)
    if _levels(mine) != _levels(yours):
        heads = [[Block(heading.partition(' ')[0], heading) for heading, _ in each] for each in (mine, yours)]
        return [f'{page}: {original}: headings: {_first_unequal(*heads)}']
    found = []
    for (heading, below), (wanted, there) in zip(mine, yours):
        place = f'{page}, {heading!r} ({original}, {wanted!r}): '
        found += [place + what for what in differing_prose(heading, wanted, page, original)]
        if [block.kind for block in below] != [block.kind for block in there]:
            found.append(place + _first_unequal(below, there))
            continue
        for block, same in zip(below, there):
            found += [f'{place}{_begins(block)}: {what}'
                      for what in _differing(block, same, page, original)]
    return found
