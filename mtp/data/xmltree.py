"""A small XML reader for label files: a tree with line numbers, no entities, no DOCTYPE, nothing fetched."""
import os
from typing import Dict, List, Optional
from xml.parsers import expat

from mtp.data import text
from mtp.errors import MTPError
from mtp.files import PathLike

MAX_DEPTH = 32


class Node:
    """An element: tag, text directly inside it, line where it starts, children."""

    __slots__ = ('tag', 'text', 'line', 'children')

    def __init__(self, tag: str, line: int) -> None:
        self.tag, self.line = tag, line
        self.text = ''
        self.children: List['Node'] = []

    def first(self, tag: str) -> Optional['Node']:
        """The first child called ``tag``, or None."""
        for child in self.children:
            if child.tag == tag:
                return child
        return None

    def all(self, tag: str) -> List['Node']:
        """All children called ``tag``."""
        return [child for child in self.children if child.tag == tag]


def parse(path: PathLike, root_tag: str) -> Node:
    """The tree in ``path``.

    Args:
        path: an XML file.
        root_tag: what its root must be called.

    Raises:
        MTPError: names the file and the line: not XML, a DOCTYPE (entities expand, and no label file needs them),
            elements nested too deep, another root.
    """
    top = Node('', 0)
    stack, texts = [top], [[]]  # elements that are open, and the pieces of text in each
    parser = expat.ParserCreate()
    parser.buffer_text = True

    def start(tag: str, _attributes: Dict[str, str]) -> None:
        node = Node(tag, parser.CurrentLineNumber)
        if len(stack) > MAX_DEPTH:
            raise MTPError(f'{path}: line {node.line}: elements nested deeper than {MAX_DEPTH}')
        stack[-1].children.append(node)
        stack.append(node)
        texts.append([])

    def end(_tag: str) -> None:
        stack.pop().text = ''.join(texts.pop()).strip()

    def characters(data: str) -> None:
        texts[-1].append(data)

    def refuse(*_: object) -> None:
        raise MTPError('{}: line {}: it has a DOCTYPE, which label files do not need and which is not read'.format(
            path, parser.CurrentLineNumber))

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = characters, refuse
    try:
        parser.Parse(text.read_bytes(path), True)
    except expat.ExpatError as error:
        raise MTPError(f'{path}: line {error.lineno}: not well-formed XML: {expat.ErrorString(error.code)}') from None
    except (LookupError, ValueError) as error:  # an encoding that nobody knows, or expat does not
        raise MTPError(f'{path}: line 1: {error}') from None
    root = top.children[0]
    if root.tag != root_tag:
        raise MTPError('{}: line {}: the root element is <{}>, and <{}> is expected: is this another format?'.format(
            path, root.line, root.tag[:40], root_tag))
    return root


def child(node: Node, tag: str, path: PathLike) -> Node:
    """The child ``tag`` of ``node``; MTPError where it is missing."""
    found = node.first(tag)
    if found is None:
        raise MTPError(f'{path}: line {node.line}: <{node.tag}> has no <{tag}>')
    return found


def number(node: Node, tag: str, path: PathLike) -> float:
    """The number in the child ``tag`` of ``node``."""
    found = child(node, tag, path)
    return text.number(found.text, path, found.line, tag)


def image_size(root: Node, path: PathLike) -> Dict[str, int]:
    """``width`` and ``height`` of ``<size>`` as ints, or an empty dict where the file has none."""
    size = root.first('size')
    if size is None:
        return {}
    result = {}
    for tag in ('width', 'height'):
        found = child(size, tag, path)
        result[tag] = text.count(found.text, path, found.line, tag)
    return result


def plain_name(value: str, path: PathLike, line: int) -> str:
    """``value`` where it is a plain file name, without folders."""
    if os.path.basename(value) != value or '\\' in value or '\0' in value:
        raise MTPError(f'{path}: line {line}: field filename: {value[:60]!r} is not a plain file name')
    return value
