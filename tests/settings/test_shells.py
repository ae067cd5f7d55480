"""What aerun proposes to type is read back by the user's shell as it is meant."""

import shlex
import shutil
import subprocess

import pytest

from aerun.command.help import page
from aerun.settings.shells import command_line, completion, in_shell, retyped, shell, with_quotes

QUOTES = ("a b", "it's", 'say "x"', "back\\slash", "q'\\", "a!b", "$HOME", "`x`")
WORDS = ("model=ae", "regularizer=[l1,l2]", "*", "", "ä=1", "{a,b}", *QUOTES)


def use(monkeypatch, name):
    monkeypatch.setenv("SHELL", f"/usr/bin/{name}")


@pytest.mark.parametrize("name", ["sh", "bash", "zsh", "fish"])
def test_a_shell_reads_what_was_meant(monkeypatch, name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    use(monkeypatch, name)
    line = command_line(["printf", r"%s\n", *WORDS]) + "\n" + "; ".join(f"echo {in_shell(w)}" for w in WORDS if "\\" not in w)
    out = subprocess.run([shutil.which(name), "-c", line], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == [*WORDS, *(w for w in WORDS if "\\" not in w)]


def test_other_shells_have_quotes_of_their_own(monkeypatch):
    use(monkeypatch, "bash")
    assert command_line(WORDS) == shlex.join(WORDS)
    use(monkeypatch, "pwsh")
    assert command_line(["it's $5"]) == "'it''s $5'"
    use(monkeypatch, "tcsh")
    assert command_line(["a!b"]) == r"'a\!b'"
    use(monkeypatch, "fish")
    assert command_line(["q'\\"]) == r"'q\'\\'"
    monkeypatch.delenv("SHELL")
    assert shell() in ("sh", "powershell")


def test_a_kept_command_is_shown_in_the_users_own_quotes(monkeypatch):
    use(monkeypatch, "fish")
    assert retyped(shlex.join(["aerun", "notes=it's", "reg.lambda=1,2"])) == r"aerun 'notes=it\'s' reg.lambda=1,2"
    assert retyped("aerun 'open") == "aerun 'open"


def test_brackets_are_quoted_where_the_shell_would_look_for_files(monkeypatch):
    words = "evaluate=[a b]: must be a list, such as evaluate=[probe,anomaly], or all."
    for name in ("bash", "fish", "dash"):
        use(monkeypatch, name)
        assert with_quotes(words) == words
    use(monkeypatch, "zsh")
    assert with_quotes(words) == words.replace("evaluate=[probe,anomaly]", "'evaluate=[probe,anomaly]'")
    assert with_quotes("search=[a]: no. Type 'search=[b]' or aerun search=[c] or data.x=[d]: e") == (
        "search=[a]: no. Type 'search=[b]' or aerun 'search=[c]' or data.x=[d]: e"
    )


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_help_page_turns_completion_on(monkeypatch, name):
    use(monkeypatch, name)
    assert completion() in page()
    assert f"install={name}" in completion()
