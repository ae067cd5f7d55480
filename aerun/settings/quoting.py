"""The quotes that Hydra's grammar wants around what people type: paths, names of columns, words that look like numbers.

What Hydra reads as it is meant stays as it was typed. Quotes are added where its grammar has no place for a character, where a
path that is there holds a comma, and around words that would lose their spelling on the way (FALSE, 1e3, a column named 3).
"""

import re
import shlex
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError

# Settings that name columns or classes, by their own words. `normal` knows classes by number too, where they have no names.
_WORDS = ("label", "anomaly", "drop", "categorical", "split", "group", "time", "key", "normal")
_PATHS = ("path", "test_path", "root", "cache", "labels", "test_labels", "init_from", "dir", "storage")
_FUNCTION = re.compile(r"(?:range|choice|interval|glob|sort|shuffle|tag|int|float|str|bool|json_str|extend_list)\(")
SINGLE, DOUBLE = "'", '"'
_QUERY = re.compile(r"[<>=]|\s(?:in|and|or)\s")


def quoted(word: str, sweep: bool = False) -> str:
    """Return an override with the quotes that it needs; `sweep`: commas between values are one job each.

    Raises AerunError where quotes do not help.
    """
    key, sign, value = word.partition("=")
    if not sign or not value or key.startswith(("hydra/", "--")) or "${" in value:
        return word
    name = key.lstrip("+~")
    if name == "dataset.normal" and _QUERY.search(value) and value[:1] not in "\"'[":
        return f"{key}={in_quotes(value, DOUBLE)}"
    last = name.rpartition(".")[2]
    if last in _PATHS and "," in value and (found := _existing(value, sweep)):
        return f"{key}={','.join(found)}"
    if not _parses(key, value):
        value = _mended(value, sweep)
        _refuse(key, word, value)
    if name.startswith("dataset.") and last in _WORDS:
        value = _spelt(value, numbers=last == "normal")
    return f"{key}={value}"


def _refuse(key: str, word: str, value: str) -> None:
    """Raise AerunError where Hydra's grammar has no place for what is typed, quotes or not."""
    if _parses(key, value) or not _parses(key, "1"):
        return
    whole = in_shell(f"{key}={in_quotes(word.partition('=')[2])}")
    raise AerunError(f"{word}: its brackets or quotes do not close. If it is one word, it is typed in quotes: {whole}")


def _existing(value: str, sweep: bool) -> list[str]:
    """Return paths that are there, in quotes, where `value` is one or, of a sweep, several."""
    if _there(value):
        return [in_quotes(value)]
    parts, found = value.split(","), list[str]()
    while sweep and parts:
        known = next((n for n in range(len(parts), 0, -1) if _there(",".join(parts[:n]))), 0)
        if not known:
            return []
        found.append(in_quotes(",".join(parts[:known])))
        parts = parts[known:]
    return found


def _there(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except OSError:  # too long to be one
        return False


def _mended(value: str, sweep: bool) -> str:
    """Return a value that Hydra's grammar refuses, as one or several in quotes; a list or function of Hydra's is left to Hydra."""
    if value[0] == "[" and value[-1] == "]":
        return f"[{','.join(map(_item, _parts(value[1:-1])))}]"
    if value[0] in '[{"' or _FUNCTION.match(value):
        return value
    return ",".join(map(_item, _parts(value))) if sweep else in_quotes(value)


def _spelt(value: str, numbers: bool) -> str:
    """Return words that Hydra would read as numbers, truth values or nothing, in quotes: they are names. `null` alone is none.

    numbers: whole ones may stay.
    """
    if value[0] == "[" and value[-1] == "]":
        return f"[{','.join(_named(p, numbers) for p in _parts(value[1:-1]))}]"
    if _FUNCTION.match(value):
        return value
    return ",".join(p if p.strip() == "null" else _named(p, numbers) for p in _parts(value))


def _named(part: str, numbers: bool) -> str:
    word = part.strip()
    found = reads_as(word)
    stays = isinstance(found, str | list | dict) or (numbers and type(found) is int and str(found) == word)
    return part if stays else in_quotes(word)


def _item(part: str) -> str:
    part = part.strip()
    return part if not part or _parses("k", part) else in_quotes(part)


def _parts(value: str) -> list[str]:
    """Cut at commas outside of quotes and brackets."""
    found, depth, quote = [""], 0, ""
    for letter in value:
        if letter == "," and not depth and not quote:
            found.append("")
            continue
        if letter in "\"'" and (quote == letter or (not quote and not found[-1].strip())):
            quote = "" if quote else letter
        elif not quote:
            depth += (letter in "[{(") - (letter in "]})")
        found[-1] += letter
    return found if found != [""] else []


def in_shell(word: str) -> str:
    """Return a word as it is typed in a shell, the easier to read the better."""
    return shlex.quote(word) if set(word) & set('"$`\\!') or "'" not in word else f'"{word}"'


def in_quotes(value: str, mark: str = SINGLE) -> str:
    """Return a value as Hydra's grammar has it in quotes: letter by letter what it is."""
    return mark + re.sub(rf"(\\*)({mark}|$)", lambda m: m[1] * 2 + ("\\" if m[2] else "") + m[2], value) + mark


@cache
def _parser() -> Any:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    return OverridesParser.create()


@lru_cache(maxsize=1024)
def _parses(key: str, value: str) -> bool:
    from hydra.errors import HydraException

    try:
        _parser().parse_override(f"{key}={value}")
    except HydraException:
        return False
    return True


def reads_as(part: str) -> Any:
    """Return what Hydra makes of a value; the word itself where its grammar refuses it."""
    from hydra.errors import HydraException

    try:
        return _parser().parse_override(f"k={part}").value()
    except HydraException:
        return part
