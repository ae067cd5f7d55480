"""`search=asha` and its kin: the settings of pruning, checked before anything trains."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from aerun.core.errors import AerunError, nearest
from aerun.core.text import counted
from aerun.runs.figures import higher_is_better

ASHA, HYPERBAND, MEDIAN = KINDS = ("asha", "hyperband", "median")
_UNKNOWN = 30  # epochs of a job whose data say how long it trains; at least as many
_HALVINGS = 3  # rungs, where neither they nor the first are typed
_FIRST = 3  # epochs before the first of them, if there is room: one says little of where a training goes
_LENGTH = "trainer.max_epochs"


@dataclass(frozen=True)
class Pruning:
    """kind: one of KINDS. shares: of each rung, of a job's whole training. sign: 1 where less of the objective is better.

    seeds: of each point of a search, the first of which decides. check: pruned jobs that are trained to their end all the same.
    begin: the first rung that prunes; another than 0 is no setting, but was found as the sweep ran.
    """

    kind: str
    eta: float
    shares: tuple[float, ...]
    objective: str
    sign: int
    check: int = 0
    searched: bool = False
    seeds: int = 1
    begin: int = 0

    @property
    def end(self) -> int:
        """Return the level behind the last rung."""
        return len(self.shares)

    @property
    def at_once(self) -> bool:
        """Return whether what is pruned is so for good, when it comes to a rung: nothing waits there."""
        return self.kind == MEDIAN or self.searched

    def epochs(self, rung: int, whole: int) -> int:
        """Return after how many epochs of so many a rung is. Raises AerunError where rungs do not differ by an epoch."""
        at = [math.floor(share * whole + 0.5) for share in self.shares]
        if at[0] < 1 or any(a >= b for a, b in zip(at, [*at[1:], whole], strict=True)):
            shares = ", ".join(f"{share:.4g}" for share in self.shares)
            raise AerunError(
                f"search.prune: {counted(self.end, 'rung')} ({shares} of the training) in {counted(whole, 'epoch')}: each "
                f"wants an epoch of its own before the end. Raise {_LENGTH}, or give fewer with search.prune.rungs=[0.5]."
            )
        return at[rung]

    def plain(self) -> dict[str, Any]:
        """Return plain data, for sweep.json."""
        settings = {k: v for k, v in asdict(self).items() if k != "begin"}
        return {**settings, "shares": list(self.shares)}


def read_pruning(content: Mapping[str, Any]) -> Pruning | None:
    """Return the pruning that sweep.json has, None for a sweep that is not pruned. Raises ValueError where it is damaged."""
    if not content:
        return None
    try:
        found = Pruning(**{**content, "shares": tuple(map(float, content["shares"]))})
        usable = found.kind in KINDS and found.eta > 1 and found.end > 0 and found.sign in (-1, 1) and found.check >= 0
    except (TypeError, KeyError, ValueError) as e:
        raise ValueError(str(e)) from e
    if not usable:
        raise ValueError("impossible values")
    return found


def pruning_of(
    cfg: DictConfig, objectives: Any, epochs: Iterable[int | None], seeds: int | None = None, before: Pruning | None = None
) -> Pruning | None:
    """Return how the sweep of this config is pruned, None where it is not.

    objectives: the figures that rank its jobs. epochs: trainer.max_epochs of its jobs, None where that is left to the data.
    seeds: of each point of a search, None for a grid. before: what the sweep's folder has: its rungs stay where none are typed.
    Raises AerunError for what cannot prune.
    """
    asked = cfg.search.prune
    if asked.kind is None:
        return None
    if asked.kind not in KINDS:
        raise AerunError(f"search.prune.kind={asked.kind}: must be one of {', '.join(KINDS)}{nearest(str(asked.kind), KINDS)}.")
    eta, check = _eta(asked.eta), _check(asked.check)
    objective = _objective(objectives)
    lengths = {_UNKNOWN if n is None else n for n in epochs}
    typed = asked.rungs is not None or asked.first is not None
    kept = before if before is not None and not typed and (before.kind, before.eta) == (asked.kind, eta) else None
    shares = kept.shares if kept else _shares(asked, eta, min(lengths))
    sign = _sign(cfg.search.direction, objective)
    found = Pruning(str(asked.kind), eta, shares, objective, sign, check, seeds is not None, seeds or 1)
    for whole in lengths:
        found.epochs(0, whole)
    return found


def _eta(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 1:
        raise AerunError(f"search.prune.eta={value}: a number above 1, such as 3: one of so many jobs goes on from each rung.")
    return value


def _check(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise AerunError(f"search.prune.check={value}: how many pruned jobs are trained to their end all the same: 0 or more.")
    return value


def _objective(objectives: Any) -> str:
    """Return the figure by which jobs are pruned. Raises AerunError for one that a run has only at its end."""
    several = [objectives] if isinstance(objectives, str) else list(objectives or ())
    if len(several) != 1 or not isinstance(several[0], str) or not several[0]:
        raise AerunError(
            f"objective={several or 'null'}: pruning wants one figure, which every epoch has, such as objective=val/mse."
        )
    if not several[0].startswith("val/"):
        raise AerunError(
            f"objective={several[0]}: a run has it at its end only, so that a rung knows nothing of it. Prune by a figure of "
            "the validation split, such as objective=val/mse."
        )
    return several[0]


def _shares(asked: DictConfig, eta: float, least: int) -> tuple[float, ...]:
    """Return the rungs as shares of the training: those that are typed, else every eta-th from the first on."""
    if asked.rungs is not None:
        rungs = OmegaConf.to_container(asked.rungs) if OmegaConf.is_config(asked.rungs) else asked.rungs
        return _typed_rungs(rungs)
    first = asked.first
    if first is None:
        halvings = min(_HALVINGS, max(1, math.floor(math.log(max(1.0, least / _FIRST)) / math.log(eta) + 1e-9)))
        if least < eta:
            raise AerunError(
                f"{_LENGTH}={least}: fewer epochs than search.prune.eta={eta:g}, so that there is no rung before the end. "
                "Raise it, or give search.prune.rungs=[0.5]."
            )
        first = float(eta) ** -halvings
    elif not _is_share(first):
        raise AerunError(f"search.prune.first={first}: the share of the training before the first rung, such as 0.1.")
    count = math.ceil(-math.log(first) / math.log(eta) - 1e-9)
    return tuple(first * eta**n for n in range(max(1, count)))


def _typed_rungs(rungs: Any) -> tuple[float, ...]:
    rising = isinstance(rungs, Sequence) and not isinstance(rungs, str) and rungs and all(map(_is_share, rungs))
    if not rising or any(a >= b for a, b in itertools.pairwise(rungs)):
        raise AerunError(
            f"search.prune.rungs={rungs}: shares of the training ({_LENGTH}) between 0 and 1, each above the one before, such "
            "as [0.1,0.3]."
        )
    return tuple(map(float, rungs))


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1


def _sign(direction: Any, objective: str) -> int:
    if direction is None:
        return -1 if higher_is_better(objective) else 1
    one = direction if isinstance(direction, str) else next(iter(direction), None)
    return -1 if one == "maximize" else 1
