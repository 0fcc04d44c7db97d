"""One self-contained HTML page with sections, tables and pictures. Standard library only, Python >= 3.6."""
import html
import os
import re
from typing import Iterable, List, Optional, Tuple
from urllib.parse import quote, unquote

from mtp import files, paths
from mtp.report import identity

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --good: #1a7f37; --bad: #cf222e; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
nav a { margin-right: 1rem; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .8rem; text-align: left; vertical-align: top; }
td.number { text-align: right; } tr:nth-child(even) td { background: var(--soft); }
figure { display: inline-block; margin: .5rem 1rem .5rem 0; max-width: 100%; }
figure img { max-width: 100%; border: 1px solid var(--line); } figcaption { font-size: .85rem; opacity: .8; }
code, pre { background: var(--soft); padding: .1rem .3rem; } pre { padding: .8rem; overflow-x: auto; }
"""

NUMBER = re.compile(r'^[-+]?\d[\d.,:]*( ?(%|s|MiB))?$')


def _cell(value: object) -> str:
    text = '–' if value is None else f'{value:.4g}' if isinstance(value, float) else str(value)
    look = ' class="number"' if NUMBER.match(text) else ''
    return f'<td{look}>{_told(text)}</td>'


def _told(text: str) -> str:
    """``text`` as HTML; paths in it as the user may type them, wherever the page is read."""
    return html.escape(paths.short(text))


class Page(object):
    """Collects the parts of a page in order; ``write`` makes the file. Every text is escaped.

    Args:
        title: heading of the page.
        lead: one or two sentences below the heading.
        refresh: seconds after which a browser reads the page again; 0 for never.
    """

    def __init__(self, title: str, lead: str = '', refresh: int = 0) -> None:
        self.title, self.lead, self.refresh = title, lead, refresh
        self._parts: List[str] = []
        self._headings: List[Tuple[str, str]] = []

    def section(self, heading: str, text: str = '') -> None:
        """Start a section; it is listed at the top of the page."""
        anchor = f's{len(self._headings) + 1}'
        self._headings.append((anchor, heading))
        self._parts.append(f'<h2 id="{anchor}">{_told(heading)}</h2>')
        if text:
            self.text(text)

    def text(self, text: str) -> None:
        self._parts.append(f'<p>{_told(text)}</p>')

    def command(self, text: str) -> None:
        """A command line or its output, as typed."""
        self._parts.append(f'<pre>{_told(text)}</pre>')

    def table(self, head: Iterable[object], rows: Iterable[Iterable[object]]) -> None:
        """A table; numbers are set flush right, None is a dash."""
        heads = ''.join(f'<th>{_told(str(name))}</th>' for name in head)
        lines = ''.join('<tr>{}</tr>\n'.format(''.join(_cell(value) for value in row)) for row in rows)
        self._parts.append(f'<div class="wide"><table><tr>{heads}</tr>\n{lines}</table></div>')

    def figure(self, path: str, caption: str, width: Optional[int] = None) -> None:
        """A picture beside the page; ``path`` is relative to the page's folder."""
        size = f' width="{int(width)}"' if width else ''
        self._parts.append('<figure><a href="{0}"><img src="{0}" alt="{1}"{2} loading="lazy"></a>'
                           '<figcaption>{1}</figcaption></figure>'.format(quote(path), _told(caption), size))

    def link(self, path: str, text: str) -> None:
        """A link to a file beside the page."""
        self._parts.append(f'<p><a href="{quote(path)}">{_told(text)}</a></p>')

    def write(self, path: files.PathLike) -> None:
        """Write the page to ``path`` atomically; a picture that is missing is an error of ours, so it is checked."""
        folder = os.path.dirname(os.fspath(path))
        body = '\n'.join(self._parts)
        for name in re.findall(r'<img src="([^"]+)"', body):
            if not os.path.isfile(os.path.join(folder, unquote(name))):
                raise FileNotFoundError(f'the page {path} shows a picture that is not there: {name}')
        said = identity.standing()
        body = f'<p><strong>{_told(said)}</strong></p>\n' + body if said else body
        menu = ' '.join(f'<a href="#{a}">{_told(h)}</a>' for a, h in self._headings)
        again = f'<meta http-equiv="refresh" content="{int(self.refresh)}">' if self.refresh else ''
        files.write_text(path, '<!doctype html>\n<html lang="en"><meta charset="utf-8">' + again +
                         '<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{0}</title>'
                         '<style>{1}</style>\n<h1>{0}</h1>\n<p>{2}</p>\n<nav>{3}</nav>\n{4}\n</html>\n'
                         .format(_told(self.title), STYLE, _told(self.lead), menu, body))

