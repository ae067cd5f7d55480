"""What is shown acts on no terminal and no page."""

import io
import logging
import re
import unicodedata

import pytest
from rich.table import Table

from aerun.core.console import Console, styled
from aerun.core.logs import show_escaped
from aerun.core.text import say, shown, shown_line
from tests.test_rooms import PACKAGE

PLAIN = ["", "model=ae [bold]x[/bold] :smile:", "Grüße, 猫, עברית, किताब, café", "a\nb\tc", "क्\u200dष 👩\u200d🔬", "\u00a0"]
ACTING = {
    "\x1b]0;title\x07": r"\x1b]0;title\x07",
    "a\rb\x00\x7f\x9b": r"a\x0db\x00\x7f\x9b",
    "\u202eevil\u2066\u200f\u061c": r"\u202eevil\u2066\u200f\u061c",
    "\udcff \u2028 \U000e0041 \ufeff": r"\udcff \u2028 \U000e0041 \ufeff",
}


@pytest.mark.parametrize("text", PLAIN)
def test_ordinary_text_is_shown_as_it_is(text):
    assert shown(text) == text


@pytest.mark.parametrize(("text", "seen"), ACTING.items())
def test_what_acts_unseen_is_shown_as_an_escape(text, seen):
    assert shown(text) == seen
    assert shown(seen) == seen
    seen.encode()  # can be written anywhere


def test_no_character_that_acts_is_left():
    everything = "".join(map(chr, (*range(0x10000), *range(0xE0000, 0xE0200), *range(0x1D170, 0x1D180))))
    left = {c for c in shown(everything) if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    assert left == {"\n", "\t", "\u200c", "\u200d"}


def test_a_line_is_one_line():
    assert shown_line("a\nb\tc\r") == r"a\nb\tc\x0d"


@pytest.mark.parametrize("text", [*PLAIN, *ACTING])
def test_a_console_prints_what_it_is_given(text):
    """Lines, words in bold and cells of tables: no markup, no emoji codes, no escapes of a stranger's."""
    console, table = Console(wide=90, file=io.StringIO()), Table(title=text)
    table.add_column(text)
    table.add_row(text)
    for out in (text, styled(text, "bold"), table):
        console.print(out)
    console.say(text, style="red")
    told = console.file.getvalue()
    for line in shown(text).replace("\t", " ").splitlines():
        assert told.count(line.split(" ")[0]) >= 4
    assert "\x1b" not in told


def test_what_is_logged_and_said_is_shown(monkeypatch, caplog, capsys):
    log = logging.getLogger("aerun")
    monkeypatch.setattr(log, "filters", [])
    show_escaped()
    log.warning("%s: %s", "column '\x1b[2J'", 1)
    say("run \x07")
    assert caplog.messages == [r"column '\x1b[2J': 1"]
    assert capsys.readouterr().out == "run \\x07\n"


def test_nothing_is_printed_past_it():
    """`print` and rich's own console are for the modules that show; what a shell or rank 0 reads is no text for people."""
    allowed = {"core/text.py", "core/console.py", "command/complete.py", "command/rank.py", "trainer/progress.py"}
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).as_posix() not in allowed:
            assert not re.search(r"(?<![\w.])print\(|rich\.(console|markup)", path.read_text(encoding="utf-8")), path


def test_words_in_a_style_are_made_in_one_place():
    """A `Text` of rich's is not escaped: `styled` makes those that are shown."""
    made = {p.name: p.read_text() for p in PACKAGE.rglob("*.py") if re.search(r"from rich.*\bText\b", p.read_text())}
    assert "console.py" in made
    assert [name for name, code in made.items() if name != "console.py" and re.search(r"\bText[.(]", code)] == []
