"""What aerun proposes to type, in the quotes of the user's own shell, which $SHELL names."""

import os
import re
import shlex
from collections.abc import Sequence

_SPECIAL = re.compile(r"[^\w@%+=:,./-]", re.ASCII)  # as shlex.quote has it
_BRACKETS = re.compile(r"(?<![\w'\"=./\[])[\w./]+=\[[^\]\s]*\](?![\w:])")
_GLOBBING = ("zsh", "csh", "tcsh")  # An unquoted [A,B] that matches no file is an error there.


def shell() -> str:
    """Return the name of the user's shell, such as bash, zsh, fish or tcsh; without $SHELL sh, on Windows powershell."""
    name = os.path.basename(os.environ.get("SHELL", "")).removesuffix(".exe")
    return name or ("powershell" if os.name == "nt" else "sh")


def in_shell(word: str) -> str:
    """Return a word as it is typed in the user's shell, in the form that is easiest to read."""
    plain = not set(word) & set('"$`\\!') and "'" in word
    return f'"{word}"' if plain else _quoted(word)


def command_line(words: Sequence[str]) -> str:
    """Return a command as it is typed in the user's shell."""
    return " ".join(map(_quoted, words))


def retyped(command: str) -> str:
    """Return a command that is kept in a file, in the quotes of a POSIX shell, as it is typed in the user's shell.

    What no shell could read stays as it is.
    """
    try:
        return command_line(shlex.split(command))
    except ValueError:
        return command


def _quoted(word: str) -> str:
    if word and not _SPECIAL.search(word):
        return word
    name = shell()
    if name == "fish":
        return "'" + word.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if name in ("pwsh", "powershell"):
        return "'" + word.replace("'", "''") + "'"
    quoted = shlex.quote(word)
    return quoted.replace("!", "\\!") if name in ("csh", "tcsh") else quoted


def with_quotes(text: str) -> str:
    """Return a message or page whose proposals such as evaluate=[probe,anomaly] can be typed in the user's shell.

    What was typed, which stands first in a message or before a colon, stays as it was.
    """
    if shell() not in _GLOBBING:
        return text
    return _BRACKETS.sub(lambda m: m[0] if m.start() == 0 else f"'{m[0]}'", text)


def completion() -> str:
    """Return the command that turns completion on in the user's shell."""
    name = shell()
    if name == "fish":
        return "aerun -sc install=fish | source"
    return f'eval "$(aerun -sc install={"zsh" if name == "zsh" else "bash"})"'
