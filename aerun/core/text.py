"""Text from files or from other people, in a form that is safe to show."""

import sys
import unicodedata

_KEPT = "\n\t\u200c\u200d"  # line ends, tabs, and the joiners that scripts and emoji are written with
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, formats (bidirectional marks), half characters, line ends


def shown(text: str) -> str:
    r"""Return `text` with every character that acts on a terminal or a page without being seen written as an escape.

    Escapes look like \x1b and \u202e. Line ends and tabs stay. Brackets and other markup are ordinary characters here:
    `Console` and the pages take them as such.
    """
    if text.isprintable():
        return text
    return "".join(c if c in _KEPT or unicodedata.category(c) not in _HIDDEN else _escape(ord(c)) for c in text)


def shown_line(text: str) -> str:
    """Return `text` as `shown` does, in one line: line ends and tabs are escaped too."""
    return shown(text).replace("\n", "\\n").replace("\t", "\\t")


def say(text: str = "") -> None:
    """Print a line, or several, as `shown`, and flush it, so that a reader sees it when it happens."""
    print(shown(text), flush=True)


def note(text: str) -> None:
    """Print a line on stderr, as `shown`: a remark on an answer that goes to stdout."""
    print(shown(text), file=sys.stderr, flush=True)


def counted(number: int, word: str) -> str:
    """Return a number with what is counted: `1 step`, `2,000 steps`, `3 batches`, `4 anomalies`."""
    if number == 1:
        return f"{number:,} {word}"
    if word.endswith("aly"):
        return f"{number:,} {word[:-1]}ies"
    return f"{number:,} {word}{'es' if word.endswith('tch') else 's'}"


def span(seconds: float) -> str:
    """Return a duration in words, such as `40 s`, `12 min` or `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _escape(code: int) -> str:
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
