"""What a run costs, in seconds of the CPU and by the clock: sums of what was measured of its shape, see `aerun.bill.probe`."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from typing import Any

from aerun.core.errors import AerunError
from aerun.settings.labels import ASIDE

_FREE = ("seed", "sweep", "search", "callbacks", *ASIDE)  # settings that make no run dearer
_KEPT = ("dataset", "trainer")  # whose fractions count: shares of rows, a time


@dataclass(frozen=True)
class Size:
    """What is known of a run before a step: FLOP of a step, parameters, epochs, batches of an epoch, the shortest training.

    shortest: epochs after which patience may end it; the epochs where nothing ends it. drawings: of reconstructions as it
    trains. limit: seconds of training at most. saves: seconds from one written checkpoint to the next.
    """

    flop: float
    parameters: int
    epochs: int
    batches: int
    shortest: int
    rows: int
    drawings: int = 0
    limit: float | None = None
    saves: float = 10.0


@dataclass(frozen=True)
class Cost:
    """Seconds of the CPU that a run of this size takes, part by part, and what each takes by the clock.

    start: the process before it. first: what the first run of a process takes more. begin: models and data made ready.
    fit: before the first step. step, epoch: each, the latter without its steps. save: a checkpoint written. picture:
    reconstructions drawn as it trains. end: tests, health, pictures and applications. clock: seconds by the clock for one of
    the CPU, of steps (low, likely, high) and of the rest. memory, disk: bytes, the latter with what each epoch adds.
    """

    size: Size
    start: float
    first: float
    begin: float
    fit: float
    step: float
    epoch: float
    save: float
    picture: float
    end: float
    clock: tuple[float, float, float]
    clock_rest: float
    memory: float
    disk: float
    disk_epoch: float
    blocks: int = 0  # measured; 0: it was drawn from others

    def training(self, epochs: float) -> float:
        """Return the CPU seconds of so many epochs."""
        size = self.size
        steps = epochs * (size.batches * self.step + self.epoch)
        drawn = self.picture * size.drawings * min(1.0, epochs / size.epochs)
        return steps + drawn + self.save * (1 + steps / max(size.saves, self.save, 1e-9) if size.saves else epochs)

    def cpu(self, epochs: float | None = None, cold: bool = False) -> float:
        """Return the CPU seconds of a run. epochs: those that it trains; None: all. cold: it is the first of its process."""
        trained = self.training(self.size.epochs if epochs is None else epochs)
        return self.begin + self.fit + trained + self.end + (self.first if cold else 0.0)

    def seconds(self, epochs: float | None = None, cold: bool = False, at: int = 1) -> float:
        """Return the same by the clock. at: 0, 1 or 2, as fast, as usual or as slow as its steps were seen to be."""
        trained = self.training(self.size.epochs if epochs is None else epochs) * self.clock[at]
        if self.size.limit is not None:
            trained = min(trained, self.size.limit)
        rest = self.begin + self.fit + self.end + (self.first if cold else 0.0)
        return rest * self.clock_rest + trained

    def ending(self) -> float:
        """Return the seconds by the clock of what comes after training."""
        return self.end * self.clock_rest

    def bytes_on_disk(self) -> float:
        """Return the bytes that its folder will take."""
        return self.disk + self.size.epochs * self.disk_epoch

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def cost_of(table: Mapping[str, Any]) -> Cost | None:
    """Return the cost that `Cost.plain` wrote down; None for anything else."""
    try:
        size = Size(**{f.name: table["size"][f.name] for f in fields(Size)})
        values = {f.name: table[f.name] for f in fields(Cost)} | {"size": size, "clock": tuple(map(float, table["clock"]))}
        cost = Cost(**values)
        return cost if len(cost.clock) == 3 and math.isfinite(cost.seconds(cold=True)) else None
    except (KeyError, TypeError, ValueError, AerunError):
        return None


def shape_key(config: Mapping[str, Any], sizes: bool = True) -> str:
    """Return a hash of the settings of a run that its cost may follow. sizes: False leaves out the sizes of the model.

    Fractions, such as a learning rate, change no cost unless they are of the data; whether they are zero does.
    """
    node = {k: v if k in _KEPT else _coarse(v, sizes) for k, v in config.items() if k not in _FREE}
    node["trainer"] = {k: v for k, v in (config.get("trainer") or {}).items() if k != "progress"}
    words = json.dumps(node, sort_keys=True, default=str)
    return blake2b(words.encode(), digest_size=8).hexdigest()


def _coarse(node: Any, sizes: bool) -> Any:
    if isinstance(node, Mapping):
        return {str(k): _coarse(v, sizes) for k, v in node.items()}
    if isinstance(node, list | tuple):
        return [_coarse(v, sizes) for v in node]
    if isinstance(node, float) or (isinstance(node, int) and not isinstance(node, bool) and not sizes):
        return bool(node)
    return node


def between(size: Size, measured: list[Cost]) -> Cost:
    """Return the cost of a run of this size, drawn between those of the same structure whose FLOP of a step is below and above.

    Beyond the largest it grows in proportion to FLOP; below the smallest it is that one's, as what a step costs whatever its
    size is known of neither.
    """
    known = sorted(measured, key=lambda cost: cost.size.flop)
    below = max((c for c in known if c.size.flop <= size.flop), key=lambda c: c.size.flop, default=known[0])
    above = min((c for c in known if c.size.flop >= size.flop), key=lambda c: c.size.flop, default=known[-1])
    low, high = below.size.flop, above.size.flop
    share = (size.flop - low) / (high - low) if high > low else 0.0
    grown = max(1.0, size.flop / known[-1].size.flop) if known[-1].size.flop else 1.0
    values = {
        name: (getattr(below, name) + share * (getattr(above, name) - getattr(below, name))) * grown
        for name in ("begin", "fit", "step", "epoch", "save", "picture", "end")
    }
    both = {name: max(getattr(below, name), getattr(above, name)) * grown for name in ("memory", "disk", "disk_epoch")}
    return replace(above, size=size, blocks=0, **values, **both)
