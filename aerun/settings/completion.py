"""How a word of a command line may go on: groups, their options, the settings of what is chosen. Reads only text."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from aerun.core.paths import config_dir
from aerun.settings.catalog import ORDER, chosen_options, content, option_files, settings_in
from aerun.settings.plugins import EXTRAS

FLAGS = (
    "-m",
    "--multirun",
    "--cfg",
    "--info",
    "--resolve",
    "--config-dir",
    "--config-name",
    "--help",
    "--hydra-help",
    "--version",
)
_AFTER = {"--cfg": ("job", "hydra", "all"), "-c": ("job", "hydra", "all"), "--config-dir": (), "--config-name": ()}
_HYDRA = ("hydra.run.dir", "hydra.sweep.dir")
_LINE = re.compile(r"\s*(?P<key>\w+): +(?P<value>\S+) +# (?P<comment>[^:;,]+?)(?:[:;].*)?")
_HEAD = re.compile(r"(.*[\[,])?")


def overrides(words: Sequence[str]) -> list[str]:
    """Return what the last of `words`, which follow `aerun`, may become. Names of files are left to the shell."""
    *before, word = words
    if before and before[-1] in _AFTER:
        return [w for w in _AFTER[before[-1]] if w.startswith(word)]
    if word.startswith("-"):
        return [flag for flag in FLAGS if flag.startswith(word)]
    sign = word[: len(word) - len(word.lstrip("+~"))]
    key, equals, value = word[len(sign) :].partition("=")
    own = _own(before)
    if equals:
        return [f"{sign}{key}={v}" for v in _values(key, value, before, own)]
    names = [*ORDER, *EXTRAS, "sweep", *_HYDRA, *(k for k in _settings(before, own) if k != "model.name")]
    return [f"{sign}{name}" for name in _step(key, [f"{name}=" for name in names])]


def _own(words: Sequence[str]) -> Path | None:
    """Return the user's folder of options, where one is typed and there."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name = following if word in ("--config-dir", "-cd") else word.partition("--config-dir=")[2]
        if name and (folder := Path(name).expanduser()).is_dir():
            return folder
    return None


def _step(typed: str, names: Iterable[str]) -> list[str]:
    """Return the names that begin with what is typed, cut behind their next dot."""
    rest = [name[len(typed) :] for name in names if name.startswith(typed)]
    return sorted({typed + (r if "." not in r else r[: r.index(".") + 1]) for r in rest})


def _values(key: str, value: str, before: Sequence[str], own: Path | None) -> list[str]:
    """Return the values that `value` may become; of a list or of several values the last."""
    head = _HEAD.match(value)[0]  # type: ignore[index]
    if key in ORDER or key in EXTRAS:
        known = sorted(EXTRAS.get(key) or option_files(key, own))
    else:
        known = _settings(before, own).get(key, [])
    return [f"{head}{v}" for v in known if v.startswith(value[len(head) :])]


def _settings(before: Sequence[str], own: Path | None) -> dict[str, list[str]]:
    """Return {setting: values that are known of it} of what the command line chooses."""
    found = dict[str, list[str]]()
    for path, group in _files(before, own):
        comments = {m["key"]: m["comment"].split() for m in map(_LINE.fullmatch, path.read_text("utf-8").splitlines()) if m}
        for key, value in settings_in(path, group).items():
            found[key] = _known(value, comments.get(key.rpartition(".")[2], [])) or found.get(key, [])
    return found


def _files(before: Sequence[str], own: Path | None) -> Iterator[tuple[Path, str]]:
    """Yield the files of all chosen options with their groups, an option's parents before it."""
    yield config_dir() / "config.yaml", ""
    for group, options in chosen_options(before, own).items():
        files = option_files(group, own)
        for path in (files[name] for name in options if name in files):
            parents = [entry for entry in content(path).get("defaults") or () if isinstance(entry, str)]
            yield from ((files[name], group) for name in parents if name in files)
            yield path, group


def _known(value: Any, comment: Sequence[str]) -> list[str]:
    """Return the values that a setting's file tells of: what its comment lists, true and false, or its default."""
    if isinstance(value, bool):
        return ["false", "true"]
    word = str(value)
    if word in comment and len(comment) > 1:
        return list(comment)
    return [word] if isinstance(value, int | float | str) and re.fullmatch(r"[\w.+-]+", word) else []
