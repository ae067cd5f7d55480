"""Hydra's flags of a command line, wherever they are typed among its settings."""

import argparse
from collections.abc import Iterator, Sequence
from typing import NoReturn

from aerun.core.errors import AerunError, nearest

_FEW = "Settings are given as KEY=VALUE; see aerun --help."


def flags_first(argv: Sequence[str], more: Sequence[str] = ()) -> list[str]:
    """Return a command line with Hydra's flags and their values before its settings, as argparse wants them.

    more: flags that are not Hydra's, for what is said of a mistyped one. Raises AerunError for flags that there are not, and
    for words that are neither a flag nor a setting.
    """
    flags, settings = list[str](), list[str]()
    for part in _parts(argv, more):
        (flags if part[0].startswith("-") else settings).extend(part)
    read_flags(flags)
    return [*flags, *settings]


def hydra_flags(argv: Sequence[str], but: Sequence[str] = ()) -> tuple[list[str], list[str]]:
    """Return Hydra's flags of a command line, each with its value, and the other words in their order.

    but: flags that are left among the others.
    """
    from hydra._internal.utils import get_args_parser

    known = {k: v for k, v in get_args_parser()._option_string_actions.items() if k not in but}
    flags, others, words = list[str](), list[str](), list(argv)
    while words:
        word = words.pop(0)
        (flags if word.partition("=")[0] in known else others).append(word)
        if word in known and _takes(known[word], words):
            flags.append(words.pop(0))
    return flags, others


def read_flags(argv: Sequence[str]) -> argparse.Namespace:
    """Return Hydra's flags, and the settings as `overrides`. Raises AerunError for values that a flag does not take."""
    from hydra._internal.utils import get_args_parser

    parser = get_args_parser()
    parser.error = _refused  # type: ignore[method-assign]
    return parser.parse_args(list(argv))


def _refused(message: str) -> NoReturn:
    raise AerunError(f"{message.removeprefix('argument ')}. {_FEW}")


def _parts(argv: Sequence[str], more: Sequence[str]) -> Iterator[list[str]]:
    """Yield each setting, and each flag with its value."""
    from hydra._internal.utils import get_args_parser

    known = get_args_parser()._option_string_actions
    words = list(argv)
    while words:
        word = words.pop(0)
        flag, sign, _ = word.partition("=")
        if not word.startswith("-"):
            _refuse_no_setting(word)
            yield [word]
        elif flag not in known:
            _refuse_no_flag(word, [*known, *more])
            yield [word]  # a short flag and its value in one word, such as -cjob
        elif sign or not _takes(known[flag], words):
            yield [f"{flag}=all" if not sign and known[flag].nargs == "?" else word]
        else:
            yield [word, words.pop(0)]


def _takes(action: argparse.Action, following: Sequence[str]) -> bool:
    """Return whether a flag takes the word that follows as its value."""
    if action.nargs == "?":
        return bool(following) and following[0] in (action.choices or ())
    return action.nargs is None and bool(following)


def _refuse_no_setting(word: str) -> None:
    key, sign, _ = word.partition("=")
    if not key or not (sign or word.startswith("~")):
        colon = f" Is it {word.replace(':', '=', 1)}?" if ":" in word.strip(":") else ""
        raise AerunError(f"{word}: a setting is given as KEY=VALUE; see aerun --help.{colon}")


def _refuse_no_flag(word: str, known: Sequence[str]) -> None:
    flag, sign, _ = word.partition("=")
    if sign:
        raise AerunError(f"{flag}: no such flag{nearest(flag, known)}. A setting has no dash: {word.lstrip('-')}")
    if flag.startswith("--") or flag[:2] not in known or len(flag) < 3:
        raise AerunError(f"{flag}: no such flag{nearest(flag, known)}. {_FEW}")
