"""The command line and the config that it composes, for sweeps, `aerun data`, experiments and Python alike."""

import re
import shlex
from collections.abc import Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError
from aerun.settings.callbacks import offer
from aerun.settings.deletions import deleted, emptied
from aerun.settings.quoting import quoted
from aerun.settings.replaced import leave_out
from aerun.settings.sources import Source, composed_from

_SHORT = re.compile(r"^\+?sweep=")
_OPTIMIZER = re.compile(r"^optimizer\.(?!(?:name|lr)=)")
_ASIDE = ("hydra", "sweep", "search")  # how jobs are started, which is no part of a run's settings


def spelt_out(argv: Sequence[str]) -> list[str]:
    """Return a command line in the form that Hydra reads.

    sweep=NAME becomes sweep.name=NAME, ~group the option none of the group, values get quotes where Hydra's grammar needs them,
    and behind optimizer=torch every setting of the optimizer may be new: its class says which there are.
    """
    sweep = any(word in ("-m", "--multirun") for word in argv)
    words = [word if word.startswith("-") else _spelt(word, sweep) for word in argv]
    return [_OPTIMIZER.sub("++optimizer.", word) for word in words] if "optimizer=torch" in words else words


def _spelt(word: str, sweep: bool) -> str:
    if word.startswith("~"):
        return deleted(word)
    return emptied(word) or quoted(_SHORT.sub("sweep.name=", word), sweep)


def job_command(typed: Sequence[str]) -> str:
    """Return the command that runs one job of a sweep by itself."""
    return shlex.join(["aerun", *(o for o in typed if not o.startswith("sweep."))])


def config_of(overrides: Sequence[str], source: Source | None = None) -> DictConfig:
    """Return the config of a command line, with Hydra's own node; source: where the user's own configs are read.

    The process's Hydra state is left as it was.
    """
    source = source or Source()
    offer(overrides, source.own)
    return composed_from(source, spelt_out(overrides))


def resolved(cfg: DictConfig, about: Any = None) -> dict[str, Any]:
    """Return a run's settings as a plain dictionary without interpolations, and without what `replaced` leaves out.

    about: Hydra's own node, where it is not in the config.
    """
    about = cfg.get("hydra") if about is None else about
    if about is not None:
        leave_out(cfg, about)
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
