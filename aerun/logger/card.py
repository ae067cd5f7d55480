"""A run's card: what a person should know of it, as Markdown."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from aerun.core.text import shown_line
from aerun.evaluate.verdict import verdict
from aerun.logger.base import About
from aerun.runs.epochs import epochs_in_words
from aerun.runs.folder import names_of
from aerun.settings.labels import labels_of

_WIDTH = 88  # letters of a line of commands, which a board does not wrap
_ARGUMENT = re.compile(r"""(?:[^\s'"\\]|\\.|'[^']*'|"(?:[^"\\]|\\.)*")+""")
_ACTS = re.compile(r"[^\w\s.,:;?/%+=-]|[_*]|://|www\.", re.ASCII)


def card(about: About, results: Mapping[str, Any] | None, following: Sequence[str] = ()) -> str:
    """Return the card. results: None before the run is done. following: the commands that make sense then.

    What comes from data, settings and people is shown letter by letter: none of it is markup, a link or a picture.
    """
    names, labels = names_of(about.config or {}, about.folder), labels_of(about.config or {})
    said = verdict(results) if results and "test/se" in results else "" if results else "training"
    rows = {**about.lines, **({} if results is None else _end(results))}
    rows |= {"tags": ", ".join(labels["tags"]), "notes": labels["notes"]}
    table = [f"| {name} | {escaped(words)} |" for name, words in rows.items() if words]
    title = f"**{escaped(names['model'])} on {escaped(names['data'])}**"
    parts = [f"{title}: {escaped(said)}" if said else title, "\n".join(["| | |", "|---|---|", *table])]
    parts += [f"The command that made it\n\n{_code(about.command)}"] if about.command else []
    parts += ["Next\n\n" + "\n".join(map(_code, following))] if following else []
    return "\n\n".join(parts) + "\n"


def _end(results: Mapping[str, Any]) -> dict[str, str]:
    figures = {
        "test/se": "{:.4g} squared error per sample",
        "test/mse": "{:.4g} squared error per element",
        "test/psnr": "PSNR {:.2f} dB",
    }
    told = "; ".join(words.format(results[key]) for key, words in figures.items() if isinstance(results.get(key), float))
    return {"test split": told, "training": epochs_in_words(results), "time": _seconds(results.get("seconds"))}


def _seconds(value: Any) -> str:
    return f"{value:.1f} s" if isinstance(value, int | float) else ""


def _code(command: str) -> str:
    """Return a command as Markdown's code: a long one in several lines, at its arguments, that a shell takes as one."""
    lines, line = list[str](), shown_line(command)
    words = _ARGUMENT.findall(line)
    for word in words if " ".join(words) == line else [line]:
        if lines and len(lines[-1]) + len(word) < _WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return " \\\n".join(f"    {'  ' if i else ''}{line}" for i, line in enumerate(lines))


def escaped(text: str) -> str:
    """Return `text` in one line as Markdown shows it, letter by letter."""
    return _ACTS.sub(lambda found: "".join(f"&#{ord(c)};" for c in found[0]), shown_line(text))
