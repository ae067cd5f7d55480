"""The terminal for tables and coloured lines: text is printed as it is, brackets included."""

from typing import Any

from rich.console import Console as RichConsole
from rich.text import Text

from aerun.core.text import shown


class Console(RichConsole):
    """A rich console that interprets no markup, emoji codes or numbers in strings, and escapes control characters.

    Words in another style are a `Text`. wide: columns where the output is no terminal.
    """

    def __init__(self, wide: int, **settings: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **settings)
        if not self.is_terminal:
            self.width = wide

    def render_str(self, text: str, **settings: Any) -> Text:
        """Return a string, which is a line or a cell of a table, in the form in which it is shown."""
        return super().render_str(shown(text), **settings)

    def say(self, *words: str | Text, style: str | None = None) -> None:
        """Print one line, however long: the terminal wraps it, and copying it gives it back whole."""
        self.print(*words, style=style, soft_wrap=True)


def styled(text: str, style: str) -> Text:
    """Return `text`, escaped as it is shown, in a style such as `bold`."""
    return Text(shown(text), style=style)
