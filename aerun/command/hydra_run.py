"""A run or a multirun through Hydra."""

import datetime
import logging
import math
import re
import shlex
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from aerun.errors import AerunError, StoppedError, nearest
from aerun.paths import config_dir

_NAME_LIMIT = 200

log = logging.getLogger("aerun")


@dataclass
class _Outcome:
    """What became of the jobs of this process."""

    finished: list[tuple[list[str], dict[str, Any]]] = field(default_factory=list)
    failed: list[tuple[list[str], Exception]] = field(default_factory=list)
    folder: Path = Path()
    many: bool = False


_outcome = _Outcome()


def run() -> int:
    """Hand the command line to Hydra; then say what failed."""
    stop_on_signals()
    _refuse_unknown_flags(sys.argv[1:])
    try:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="config")(job)()
    finally:
        if _outcome.many and (_outcome.finished or _outcome.failed):
            from aerun import show

            show.sweep(_outcome.finished, [(typed, str(e)) for typed, e in _outcome.failed], _shown(_outcome.folder))
    if _outcome.failed and not _outcome.many:
        raise _outcome.failed[0][1]
    return 1 if _outcome.failed else 0


def job(cfg: DictConfig) -> float:
    """One run of a composed config; returns its objective to the sweeper. Importable by name, for launchers.

    A failed run returns NaN and is told at the end: it never stops the others of a sweep.
    """
    about = HydraConfig.get()
    typed, path = list(about.overrides.task), Path(about.runtime.output_dir)
    _outcome.many, _outcome.folder = about.mode == RunMode.MULTIRUN, path.parent
    try:
        return _one(cfg, typed, path, about.runtime.choices["dataset"])
    except Exception as e:
        log.info("%s: %s", type(e).__name__, e, exc_info=not isinstance(e, AerunError))  # into the log file, traceback and all
        if _outcome.many:
            print(f"\t   failed: {str(e).splitlines()[0] if str(e) else type(e).__name__}", flush=True)
        _outcome.failed.append((typed, e))
        return math.nan


def _one(cfg: DictConfig, typed: list[str], path: Path, dataset: str) -> float:
    from aerun import show
    from aerun.train import train

    plain = resolved(cfg)
    _refuse_idle_lambda(plain, typed)
    found = train(plain, path, command())
    title = f"{plain['model']['name']} on {dataset}"
    if _outcome.many:
        _outcome.finished.append((typed, found))
        print(f"\t   SE {found['test/se']:.4g}, {show.verdict(found)}", flush=True)
    else:
        show.results(found, title, _shown(path))
    return float(found["objective"])


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """A plain dictionary without interpolations."""
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return {str(k): v for k, v in plain.items()}


def command() -> str:
    """The command as it was typed, ready to paste."""
    return shlex.join(["aerun", *sys.argv[1:]])


def stop_on_signals() -> None:
    """Ctrl-C and SIGTERM end the run in order: exit codes 130 and 143."""

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signum, signal.SIG_IGN)
        raise StoppedError(128 + signum)

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)


def _refuse_unknown_flags(argv: list[str]) -> None:
    known = get_args_parser()._option_string_actions
    for word in argv:
        if word.startswith("="):
            raise AerunError(f"{word}: a setting is given as KEY=VALUE; see aerun --help.")
        flag = word.partition("=")[0]
        if flag.startswith("-") and flag not in known and not re.match(r"-[a-z]\S", flag):
            raise AerunError(f"{flag}: no such flag{nearest(flag, known)}. Settings are given as KEY=VALUE; see aerun --help.")


def _refuse_idle_lambda(plain: dict[str, Any], typed: list[str]) -> None:
    reg = plain.get("reg")
    given = any(o.lstrip("+").startswith("reg.lambda=") for o in typed)
    lambda_ = reg.get("lambda") if isinstance(reg, dict) and not reg.get("terms") else None
    if given and isinstance(lambda_, int | float) and lambda_ > 0:
        raise AerunError(
            f"reg.lambda={lambda_}: nothing uses it, since no regularizer is chosen. Add regularizer=l1 (or another), "
            "or a recipe that has one, such as model=sparse."
        )


def _shown(path: Path) -> Path:
    """Relative to here where that is shorter to type."""
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


def _job_name(overrides: list[str]) -> str:
    """A folder's name from a job's overrides."""
    import hashlib

    parts = [re.sub(r"[^\w=.+-]+", "_", o.lstrip("+")) for o in overrides if not o.startswith(("dataset.root=", "hydra."))]
    name = ",".join(parts) or "default"
    return name if len(name) <= _NAME_LIMIT else f"{name[: _NAME_LIMIT - 9]}-{hashlib.sha1(name.encode()).hexdigest()[:8]}"


def _new_folder(parent: str, overrides: list[str]) -> str:
    """PARENT/DATE_TIME_OVERRIDES, with -2, -3, ... where that is taken."""
    stamp = datetime.datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    base = Path(parent) / f"{stamp}_{_job_name(overrides)}"
    path, n = base, 1
    while path.exists():
        n += 1
        path = base.with_name(f"{base.name}-{n}")
    return str(path)


OmegaConf.register_new_resolver("aerun_new_folder", _new_folder, use_cache=True, replace=True)
OmegaConf.register_new_resolver("aerun_job_name", _job_name, replace=True)
