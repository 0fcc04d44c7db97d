"""What is written for people: lines at once, and text of a stranger's file. Standard library only, Python >= 3.6."""
import sys


def say(text: str) -> None:
    """One line for the user, at once."""
    sys.stdout.write(text + '\n')
    sys.stdout.flush()


def shown(value: object, limit: int = 200) -> str:
    """``value`` as one line that moves no cursor and sets no title: what does not print is written as an escape.

    A text stays without quotation marks; anything else is its ``repr``. Longer than ``limit`` characters is cut.
    """
    text = value if isinstance(value, str) else repr(value)
    text = ''.join(harmless(letter) for letter in text[:limit + 1])
    return text if len(text) <= limit else text[:limit] + ' …'


def harmless(text: str) -> str:
    """``text`` with everything that does not print, line ends included, written as an escape."""
    if text.isprintable():
        return text
    return ''.join(letter if letter.isprintable() else letter.encode('unicode_escape').decode('ascii')
                   for letter in text)


def harmless_lines(text: str, limit: int) -> str:
    """As :func:`shown`, line by line: each ends after ``limit`` characters."""
    return '\n'.join(shown(line, limit) for line in text.split('\n'))
