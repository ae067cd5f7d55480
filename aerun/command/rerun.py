"""`aerun rerun RUN [KEY=VALUE]...`: a new run with the settings of an old one, changed."""

import argparse
import shlex
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from aerun.command.parser import Parser
from aerun.core.errors import AerunError
from aerun.core.paths import data_paths, say_data, with_data
from aerun.core.text import note, say
from aerun.runs.folder import Folder
from aerun.settings.flat import flat
from aerun.settings.labels import ASIDE
from aerun.settings.shells import command_line

_ASIDE = ("hydra", "sweep", "search")  # of the old command: where it wrote, and how many jobs there were
_OWN = ("-h", "--help", "--config-dir")  # flags of Hydra's that are this verb's, too
_HOW = ("-m", "--multirun", "--fresh")  # flags that change no setting
_SHOWING = frozenset(("--cfg", "-c", "--info", "-i", "--hydra-help"))
_ACTING = ("${", "_target_")  # what a stranger's command could make this one do
_IMPORTING, _CACHE, _FETCH = "callbacks", "dataset.cache", "dataset.download"


def run(argv: list[str]) -> int:
    """Answer the verb: say the command that is meant, and run it."""
    flags, words = _flags(argv)
    args, more = _parser().parse_known_args(words)
    flags += [word for word in more if word.startswith("-")]
    flags += ["--config-dir", args.config_dir] if args.config_dir else []
    typed = [word for word in [*args.changes, *more] if not word.startswith("-")]
    folder = Folder(args.run)
    config = with_data(folder.config(), args.data)
    words = _settings(folder, config, typed, flags)
    sys.argv[1:] = [*flags, *words]
    if _SHOWING.isdisjoint(flag.partition("=")[0] for flag in flags):
        say_data(folder.config(), args.data)
        say(command_line(["aerun", *sys.argv[1:]]))
    else:  # what goes to stdout is a config
        note(command_line(["aerun", *sys.argv[1:]]))
    # Deferred: --help does without Hydra.
    from aerun.command.train import run as train

    return train()


def _flags(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return Hydra's flags of the line, and its other words."""
    if not any(word.startswith("-") and word not in _OWN for word in argv):
        return [], list(argv)
    # Deferred: --help does without Hydra.
    from aerun.settings.flags import hydra_flags

    return hydra_flags(argv, _OWN)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="aerun rerun",
        description="Train anew with the settings of an old run, some of them changed, in a new folder. Settings whose default "
        "has changed since are kept as that run had them, and told. -m makes a sweep of it.",
        epilog="example: aerun rerun outputs/runs/RUN model.latent_dim=16 seed=1",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="a run's folder")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="GROUP=OPTION or KEY=VALUE, as aerun takes them")
    parser.add_argument("--data", metavar="PATH", help="where the data are now: the file, a folder that holds it, or a URL")
    parser.add_argument("--config-dir", metavar="DIR", help="the folder of your own options that the run was made with")
    return parser


def _key(word: str) -> str:
    return word.lstrip("+~").partition("=")[0]


def _settings(folder: Folder, config: Mapping[str, Any], typed: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return the words of the old command with the new ones, so that what is not changed is as that run had it."""
    # Deferred: --help does without torch and Hydra.
    from aerun.api import written
    from aerun.settings.overrides import config_of, resolved
    from aerun.settings.sources import source_of

    changed = {_key(word) for word in typed}
    kept = _old_words(folder, changed)
    kept += [word for key, path in data_paths(config).items() if key not in changed for word in written({key: path})]
    kept = list({_key(word): word for word in kept}.values())
    kept += _without_fetching(config, changed)
    as_before = [*_replaced_words(folder, changed), *kept]  # what follows a changed setting is no default of another day
    now = flat(resolved(config_of(as_before, source_of([f for f in flags if f not in _HOW]))))
    if "dataset" not in changed and now["dataset._target_"] != config["dataset"]["_target_"]:
        raise AerunError(f"{folder.path}: its run.json and its config.yaml are of different data: choose with dataset=NAME.")
    pinned = {k: v for k, v in flat(config).items() if k in now and now[k] != v and _is_setting(k, changed)}
    if pinned:
        note(f"as that run had it, where the default is another today: {', '.join(pinned)}")
    return [*kept, *written(pinned), *typed]


def _is_setting(key: str, changed: set[str]) -> bool:
    """Return whether an old value of this key is kept: no label, no class, nothing below a group that is chosen anew."""
    first = key.partition(".")[0]
    groups = {word.replace("/", ".") for word in changed}
    below = any(key == group or key.startswith(f"{group}.") for group in groups)
    return first not in (*ASIDE, _IMPORTING) and key not in (_CACHE, _FETCH) and not key.endswith("_target_") and not below


def _without_fetching(config: Mapping[str, Any], changed: Collection[str]) -> list[str]:
    """Return the word by which nothing is written where the old run's data lie, unless where they lie is typed anew."""
    typed = not {"dataset", "dataset.root", _FETCH}.isdisjoint(changed)
    return [] if typed or "download" not in config["dataset"] else [f"{_FETCH}=false"]


def _old_words(folder: Folder, changed: Collection[str]) -> list[str]:
    """Return the settings that the old command typed, but for those that are changed.

    Raises AerunError for what would act, as a stranger's could.
    """
    settings = [w for w in _typed_before(folder) if _key(w) not in changed]
    for word in settings:
        if _acts(word):
            raise AerunError(f"{folder.path}: its command has {word}, which is not taken over: type what you mean by it anew.")
    if any(_key(word) == _CACHE for word in settings):
        note(f"{_CACHE}: is not taken over: that run's folder does not say where this one writes")
    return [w for w in settings if _key(w).partition(".")[0] not in ASIDE and _key(w) != _CACHE]


def _replaced_words(folder: Folder, changed: set[str]) -> list[str]:
    """Return the settings that the old command typed and that are typed anew, but for those that would act."""
    return [
        w for w in _typed_before(folder) if _key(w) in changed - {_CACHE, _FETCH} and not w.startswith("~") and not _acts(w)
    ]


def _acts(word: str) -> bool:
    return any(part in word for part in _ACTING) or _key(word).partition(".")[0].partition("@")[0] == _IMPORTING


def _typed_before(folder: Folder) -> list[str]:
    """Return the settings of a run that the old command has."""
    command = folder.read("run.json").get("command")
    try:
        words = shlex.split(str(command or ""))[1:]
    except ValueError as e:
        raise AerunError(f"{folder.path / 'run.json'}: damaged: its command cannot be read: {e}.") from e
    return [
        w
        for w in words
        if ("=" in w or w.startswith("~")) and not w.startswith("-")
        if _key(w).partition(".")[0].partition("/")[0] not in _ASIDE
    ]
