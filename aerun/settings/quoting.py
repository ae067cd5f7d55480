"""The quotes that Hydra's grammar needs around what people type: paths, names of columns, words that look like numbers.

What Hydra reads as it is meant stays as it was typed. Quotes are added where its grammar has no place for a character, where
a path that exists holds a comma, and around words that would otherwise lose their spelling (FALSE, 1e3, a column named 3).
"""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.settings.catalog import ORDER
from aerun.settings.labels import LABELS
from aerun.settings.shells import in_shell

# Settings that name columns or classes. `normal` also accepts numbers, for classes without names.
_WORDS = ("label", "anomaly", "weights", "drop", "categorical", "split", "group", "time", "key", "normal")
_PATHS = ("path", "test_path", "root", "cache", "labels", "test_labels", "weights", "init_from", "features", "dir", "storage")
_FUNCTION = re.compile(r"(?:range|choice|interval|glob|sort|shuffle|tag|int|float|str|bool|json_str|extend_list)\(")
_LATER = ("extend_list(", "json_str(")  # functions that came after Hydra 1.3
SINGLE, DOUBLE = "'", '"'
_QUERY = re.compile(r"[<>=]|\s(?:in|and|or)\s")


def quoted(word: str, sweep: bool = False) -> str:
    """Return an override with the quotes that it needs.

    sweep: commas between values separate jobs. Raises AerunError where quotes do not help.
    """
    key, sign, value = word.partition("=")
    if sign and not key.startswith("-"):
        _refuse_name(key, word)
    if sign and value and key.lstrip("+") in LABELS:
        return f"{key}={_label(key.lstrip('+'), value)}"
    if not sign or not value or key.startswith(("hydra/", "--")):
        return word
    if "${" in value:  # Hydra's grammar ends an interpolation at its first bracket, whatever is nested in it
        _refuse_interpolation(word, value)
        return word if _parses(key, value) or value[0] in "[{" else f"{key}={in_quotes(value)}"
    name = key.lstrip("+~")
    if name in ORDER and value.startswith("[["):
        raise AerunError(f"{word}: lists of a sweep are typed one after the other, as in -m {name}=[A,B],[C].")
    if name == "dataset.normal" and _QUERY.search(value) and value[:1] not in "\"'[":
        return f"{key}={in_quotes(value, DOUBLE)}"
    last = name.rpartition(".")[2]
    if last in _PATHS and "," in value and (paths := _existing(value, sweep)):
        return f"{key}={','.join(paths)}"
    if not _parses(key, value):
        value = _mended(value, sweep)
        _refuse(key, word, value)
    if name.startswith("dataset.") and last in _WORDS:
        value = _spelt(value, numbers=last == "normal")
    return f"{key}={value}"


def _label(name: str, value: str) -> str:
    """Return notes as one text and tags as a list of words, in quotes, so that no letter of them means anything to Hydra."""
    several = len(_parts(value)) > 1 and all(p.strip().startswith("[") for p in _parts(value))
    whole = value == "null" or value.startswith("choice(") or several  # which is refused, as a choice is
    if whole or (value[0] in "\"'" and value[-1] == value[0] and _parses(name, value) and not _parts(value)[1:]):
        return value
    if name == "notes":
        return _words(value)
    inside = value[1:-1] if value[0] == "[" and value[-1] == "]" else value
    return f"[{','.join(p.strip() if p.strip()[:1] in SINGLE + DOUBLE else _words(p.strip()) for p in _parts(inside))}]"


def _words(text: str) -> str:
    return in_quotes(text.replace("${", "\\${"))  # no interpolation


def _refuse_name(key: str, word: str) -> None:
    """Raise AerunError for what cannot be the name of a setting or a group."""
    if key.strip("+~") and _parses(key, "a"):
        return
    raise AerunError(
        f"{word}: '{key}' is no name of a setting (reg.lambda) or a group (model/arch): names are words of letters, digits "
        "and _, with single dots or slashes between them."
    )


def _refuse_interpolation(word: str, value: str) -> None:
    """Raise AerunError for an interpolation that does not close or has no name."""
    from omegaconf.errors import GrammarParseError
    from omegaconf.grammar_parser import parse

    try:
        parse(value)
    except GrammarParseError as e:
        raise AerunError(
            f"{word}: the value of another setting is written ${{NAME}}, such as ${{seed}}; this one has no name or does not "
            "close. As mere letters it is \\${."
        ) from e


def _refuse(key: str, word: str, value: str) -> None:
    """Raise AerunError where Hydra's grammar refuses what is typed, with quotes or without."""
    if _parses(key, value):
        return
    if word.partition("=")[2].startswith(_LATER):
        raise AerunError(f"{word}: Hydra 1.3 has no such function: write the whole list, KEY=[A,B].")
    whole = in_shell(f"{key}={in_quotes(word.partition('=')[2])}")
    raise AerunError(f"{word}: {_fault(value)}. If it is one word, it is typed in quotes: {whole}")


def _fault(value: str) -> str:
    """Return why Hydra's grammar has no place for a value."""
    if "" in (part.strip() for part in _parts(value)):
        return "a value is missing beside a comma (values are typed without blanks between: A,B)"
    if value[0] == "{" and value[-1] == "}":
        return "a table is typed {KEY:VALUE}, and a list [A,B]"
    return "its brackets or quotes do not close, or a function of Hydra's has arguments that it does not take"


def _existing(value: str, sweep: bool) -> list[str]:
    """Return the paths in `value` that exist, in quotes: one or, in a sweep, several; an empty list for anything else."""
    if _there(value):
        return [in_quotes(value)]
    parts, paths = value.split(","), list[str]()
    while sweep and parts:
        length = next((n for n in range(len(parts), 0, -1) if _there(",".join(parts[:n]))), 0)
        if not length:
            return []
        paths.append(in_quotes(",".join(parts[:length])))
        parts = parts[length:]
    return paths


def _there(path: str) -> bool:
    try:
        return Path(path).expanduser().exists()
    except OSError:  # too long to be a path
        return False


def _mended(value: str, sweep: bool) -> str:
    """Return a value that Hydra's grammar refuses, in quotes, as one value or as several.

    A list or function of Hydra's is left to Hydra; a word may begin and end with brackets of its own, as `[a] to [b]` does.
    """
    closes = _closes(value) if value[0] == "[" else 0
    if closes == len(value) - 1 > 0:
        return f"[{','.join(map(_item, _parts(value[1:-1])))}]"
    if (value[0] in '[{"' and not closes) or _FUNCTION.match(value):
        return value
    return ",".join(map(_item, _parts(value))) if sweep else in_quotes(value)


def _closes(value: str) -> int:
    """Return where the bracket closes that a value begins with; 0 where it does not."""
    depth = 0
    for place, letter in enumerate(value):
        depth += (letter == "[") - (letter == "]")
        if not depth:
            return place
    return 0


def _spelt(value: str, numbers: bool) -> str:
    """Return words that Hydra would read as numbers, truth values or nothing in quotes, since they are names.

    `null` alone stays as it is. numbers: whole numbers stay too.
    """
    if value[0] == "[" and value[-1] == "]":
        return f"[{','.join(_named(p, numbers) for p in _parts(value[1:-1]))}]"
    if _FUNCTION.match(value):
        return value
    return ",".join(p if p.strip() == "null" else _named(p, numbers) for p in _parts(value))


def _named(part: str, numbers: bool) -> str:
    word = part.strip()
    value = reads_as(word)
    stays = isinstance(value, str | list | dict) or (numbers and type(value) is int and str(value) == word)
    return part if stays else in_quotes(word)


def _item(part: str) -> str:
    part = part.strip()
    return part if not part or _parses("k", part) else in_quotes(part)


def _parts(value: str) -> list[str]:
    """Return the parts between the commas that lie outside of quotes and brackets."""
    parts, depth, quote = [""], 0, ""
    for letter in value:
        if letter == "," and not depth and not quote:
            parts.append("")
            continue
        if letter in "\"'" and (quote == letter or (not quote and not parts[-1].strip())):
            quote = "" if quote else letter
        elif not quote:
            depth += (letter in "[{(") - (letter in "]})")
        parts[-1] += letter
    return parts if parts != [""] else []


def in_quotes(value: str, mark: str = SINGLE) -> str:
    """Return a value in quotes by Hydra's grammar, letter by letter what it is."""
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
    """Return the value that Hydra reads; the word itself where its grammar refuses it."""
    from hydra.errors import HydraException

    try:
        return _parser().parse_override(f"k={part}").value()
    except HydraException:
        return part
