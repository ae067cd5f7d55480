"""Whether a command is a multirun: by -m, by hydra.mode=MULTIRUN, or since a config of the user's own says so."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from aerun.core.errors import AerunError
from aerun.settings.flags import read_flags
from aerun.settings.overrides import spelt_out
from aerun.settings.sources import Jobs, composer, source_of
from aerun.sweep.space import prunes, searches

_MODE = "hydra.mode"


def as_multirun(argv: Sequence[str]) -> list[str]:
    """Return a command line with -m where it is a multirun, so that it is planned as one.

    Raises AerunError for two flags of which Hydra takes one.
    """
    typed = read_flags(argv)
    asks = [flag for flag in ("run", "multirun", "cfg", "info", "shell_completion") if getattr(typed, flag)]
    if len(asks) > 1:
        raise AerunError(f"{' '.join(f'--{flag}' for flag in asks)}: one of them at a time.")
    for flag, example in (("resolve", "--resolve"), ("package", "--package model")):
        if getattr(typed, flag) and not (typed.cfg or typed.help):
            raise AerunError(f"--{flag}: belongs to --cfg, as in aerun --cfg job {example}.")
    if typed.experimental_rerun:
        raise AerunError("--experimental-rerun: a run's command is in its run.json, and aerun resume RUN goes on with a run.")
    if asks and not typed.multirun:
        return list(argv)
    mode = next((o.partition("=")[2] for o in typed.overrides if o.lstrip("+").startswith(f"{_MODE}=")), None)
    rest = [word for word in argv if not word.lstrip("+").startswith(f"{_MODE}=")]
    if mode is not None and mode.upper() not in RunMode.__members__:
        raise AerunError(f"{_MODE}={mode}: must be one of {', '.join(RunMode.__members__)}.")
    if typed.multirun:
        return rest
    many = mode.upper() == RunMode.MULTIRUN.name if mode is not None else _says_many(argv, typed.overrides)
    return ["--multirun", *rest] if many else list(argv)


def is_multirun(argv: Sequence[str]) -> bool:
    """Return whether a command line, read by `as_multirun`, is a sweep. Raises AerunError for a search that is none."""
    typed = read_flags(argv)
    if typed.cfg or typed.info or typed.shell_completion or typed.help or typed.hydra_help:
        return False
    tasks = task_overrides(typed.overrides)
    many = searches(tasks)
    if prunes(tasks) and not many and not typed.multirun:
        raise AerunError("search= prunes the jobs of a sweep: it needs -m, as in aerun -m search=asha optimizer.lr=1e-3,1e-2.")
    if many and not typed.multirun:
        raise AerunError("search= draws the settings of many runs: it needs -m, as in aerun -m search=lambda model=sparse.")
    return bool(typed.multirun)


@contextmanager
def told_by_flags() -> Iterator[None]:
    """Keep Hydra from composing the whole config only to read hydra.mode of it: `as_multirun` has made flags of it."""
    asked = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = asked  # type: ignore[method-assign]


def task_overrides(overrides: Sequence[str]) -> list[str]:
    """Return the settings that are not Hydra's own."""
    return [o for o in overrides if not o.lstrip("+~").startswith("hydra")]


def _says_many(argv: Sequence[str], typed: Sequence[str]) -> bool:
    """Return whether a config of the user's own has hydra.mode: MULTIRUN; aerun's own do not."""
    source = source_of(argv)
    if source.shipped and not any("hydra.searchpath" in word for word in typed):
        return False
    words = [w for w in spelt_out(["--multirun", *typed]) if not w.startswith("-")]
    kept = [str(o.input_line) for o in OverridesParser.create().parse_overrides(words) if not o.is_sweep_override()]
    hydra = [o for o in kept if o.lstrip("+~").startswith("hydra")]
    with composer(source) as loaded:
        cfg, _ = Jobs(source, loaded, hydra).composed([o for o in kept if o not in hydra])
    return bool(cfg.hydra.mode == RunMode.MULTIRUN)
