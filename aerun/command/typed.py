"""The words that were typed, made ready for Hydra: flags that it has, -m where it is a sweep, quotes and deleted groups."""

from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError, nearest
from aerun.core.text import note
from aerun.settings.callbacks import offer
from aerun.settings.flags import flags_first, read_flags
from aerun.settings.overrides import config_of, spelt_out
from aerun.settings.replaced import replaced
from aerun.settings.sources import source_of, with_whole_path
from aerun.sweep.mode import as_multirun, task_overrides

FRESH_FLAG = "--fresh"


def made_ready(argv: Sequence[str]) -> list[str]:
    """Return a command line as Hydra reads it, and say what is read for a deleted or empty group.

    Raises AerunError for flags that there are not, and for words that Hydra could not read.
    """
    words = _for_help(with_whole_path(flags_first(argv, [FRESH_FLAG, "--bill"])))
    offer(words, source_of(words).own)
    typed = as_multirun(words)
    words = spelt_out(typed)
    for line in _overruled(words):
        note(line)
    for word, read in zip(typed, words, strict=True):
        if word != read and (word.startswith("~") or word.endswith("=null")):
            note(f"{word}: read as {read}")
    return words


def _for_help(words: Sequence[str]) -> list[str]:
    """Return a command line that asks for Hydra's own help without the settings of a run, of which Hydra then knows none."""
    typed = read_flags(words)
    settings = frozenset(task_overrides(typed.overrides))
    return [word for word in words if not typed.hydra_help or word not in settings]


def _overruled(words: Sequence[str]) -> list[str]:
    """Return a line for every setting that is typed twice with different values, of which Hydra takes the last."""
    typed: dict[str, list[str]] = {}
    for word in words:
        key, sign, _ = word.lstrip("+").partition("=")
        if sign and not word.startswith(("-", "~")):
            typed.setdefault(key, []).append(word)
    return [f"{key} is typed more than once: {said[-1]} counts" for key, said in typed.items() if len(set(said)) > 1]


def refuse_package(argv: Sequence[str]) -> None:
    """Raise AerunError where --package names no part of the config that --cfg is to show."""
    typed = read_flags(argv)
    package = typed.package
    if not typed.cfg or package in (None, "_global_"):
        return
    cfg: Any = config_of(typed.overrides, source_of(argv))
    if typed.cfg == "job":
        cfg = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])
    if OmegaConf.select(cfg, package) is None:
        above = package.rpartition(".")[0]
        node = OmegaConf.select(cfg, above) if above else cfg
        names = [f"{above}.{key!s}".lstrip(".") for key in node] if isinstance(node, DictConfig) else []
        shown = f" ({', '.join(names)})" if names else ""
        raise AerunError(f"--package {package}: the config has no such part{nearest(package, names)}{shown}.")


def note_replaced(argv: Sequence[str]) -> None:
    """Say what `--cfg job` shows and a run leaves out."""
    typed = read_flags(argv)
    if typed.cfg in ("job", "all"):
        for line in replaced(config_of(typed.overrides, source_of(argv)).hydra).values():
            note(f"{line} when it is run")
