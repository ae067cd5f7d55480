"""The command line and the config that it composes, for sweeps, `aerun data`, experiments and Python alike."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.settings.quoting import quoted

_SHORT = re.compile(r"^\+?sweep=")
_OPTIMIZER = re.compile(r"^optimizer\.(?!(?:name|lr)=)")
_ASIDE = ("hydra", "sweep", "search")  # how jobs are started, which is no part of a run's settings


def spelt_out(argv: Sequence[str]) -> list[str]:
    """Return a command line in the form that Hydra reads.

    sweep=NAME becomes sweep.name=NAME, values get quotes where Hydra's grammar needs them, and behind optimizer=torch every
    setting of the optimizer may be new: its class says which there are.
    """
    sweep = any(word in ("-m", "--multirun") for word in argv)
    words = [word if word.startswith("-") else quoted(_SHORT.sub("sweep.name=", word), sweep) for word in argv]
    return [_OPTIMIZER.sub("++optimizer.", word) for word in words] if "optimizer=torch" in words else words


def job_command(typed: Sequence[str]) -> str:
    """Return the command that runs one job of a sweep by itself."""
    return shlex.join(["aerun", *(o for o in typed if not o.startswith("sweep."))])


def config_of(overrides: Sequence[str], own: Path | None = None) -> DictConfig:
    """Return the config of a command line, with Hydra's own node.

    own: a folder of the user's options. The process's Hydra state is left as it was.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    more = [] if own is None else [f"hydra.searchpath=[file://{own.resolve()}]"]
    hydra, before = GlobalHydra.instance(), GlobalHydra.instance().hydra
    hydra.clear()
    try:
        with initialize_config_dir(str(config_dir()), version_base="1.3"):
            return compose("config", [*spelt_out(overrides), *more], return_hydra_config=True)
    finally:
        hydra.hydra = before


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """Return a run's settings as a plain dictionary without interpolations."""
    own = OmegaConf.masked_copy(cfg, [str(k) for k in cfg if k not in _ASIDE])
    return {str(k): v for k, v in OmegaConf.to_container(own, resolve=True).items()}  # type: ignore[union-attr]


def refuse_idle_lambda(plain: dict[str, Any], typed: Sequence[str]) -> None:
    """Raise AerunError where reg.lambda is typed although no regularizer uses it."""
    reg = plain.get("reg")
    lambda_typed = any(o.lstrip("+").startswith("reg.lambda=") for o in typed)
    lambda_ = reg.get("lambda") if isinstance(reg, dict) and not reg.get("terms") else None
    if lambda_typed and isinstance(lambda_, int | float) and lambda_ > 0:
        raise AerunError(
            f"reg.lambda={lambda_}: nothing uses it, since no regularizer is chosen. Add regularizer=l1 (or another), "
            "or a recipe that has one, such as model=sparse."
        )
