"""What can go wrong with a wave: the anomalies of `dataset=sines`."""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from aerun.core.errors import AerunError

Spoil = Callable[[Tensor, Tensor, Generator], Tensor]


def wave(factors: Tensor, t: Tensor) -> Tensor:
    """Return the waves a sin(2 pi f t + p), (n, T), of factors (n, 3) = a, f, p at times t.

    t is (T,) or (n, T), in lengths of a sample.
    """
    amplitude, cycles, phase = (v[:, None] for v in factors.unbind(1))
    return amplitude * torch.sin(2 * math.pi * cycles * t + phase)


def stuck(x: Tensor, steps: int, seed: int) -> Tensor:
    """Return a copy of x (n, T, F) whose sensor hangs for `steps` steps: anomalies for a detector.

    From a random step on, all features keep that step's value. Raises AerunError unless 1 < steps < T.
    """
    n, length = x.shape[:2]
    if not 1 < steps < length:
        raise AerunError(f"stuck for {steps} steps: must be more than 1 and less than the {length} steps of a sample.")
    first = torch.randint(0, length - steps + 1, (n, 1), generator=torch.Generator().manual_seed(seed))
    t = torch.arange(length).expand(n, -1)
    source = torch.where((t >= first) & (t < first + steps), first, t).to(x.device)
    return x.gather(1, source[..., None].expand_as(x))


def _steps(x: Tensor) -> Tensor:
    return torch.arange(x.shape[1])[None]


def _onset(x: Tensor, g: Generator) -> Tensor:
    """Return a random step in the middle half of each sample, (n, 1)."""
    quarter = x.shape[1] // 4
    return torch.randint(quarter, x.shape[1] - quarter, (len(x), 1), generator=g)


def _by(x: Tensor, low: float, high: float, g: Generator) -> Tensor:
    """Return random offsets (n, 1), up or down by `low` to `high`."""
    size, sign = torch.rand(len(x), 1, generator=g), torch.randint(0, 2, (len(x), 1), generator=g)
    return (low + (high - low) * size) * (2 * sign - 1)


def _spike(x: Tensor, factors: Tensor, g: Generator) -> Tensor:
    at = torch.randint(0, x.shape[1], (len(x), 1), generator=g)
    return x + (_steps(x) == at) * _by(x, 1.5, 2.5, g)


def _level_shift(x: Tensor, factors: Tensor, g: Generator) -> Tensor:
    return x + (_steps(x) >= _onset(x, g)) * _by(x, 0.8, 1.2, g)


def _frequency(x: Tensor, factors: Tensor, g: Generator) -> Tensor:
    t, onset = _steps(x), _onset(x, g)
    fast = torch.where(t > onset, 2 * t - onset, t) / x.shape[1]
    return x + wave(factors, fast) - wave(factors, t / x.shape[1])


def _noise(x: Tensor, factors: Tensor, g: Generator) -> Tensor:
    t, onset = _steps(x), _onset(x, g)
    inside = (t >= onset) & (t < onset + x.shape[1] // 4)
    return x + 0.5 * inside * torch.randn(x.shape, generator=g)


def _stuck(x: Tensor, factors: Tensor, g: Generator) -> Tensor:
    seed = int(torch.randint(0, 1 << 31, (), generator=g))
    return stuck(x[..., None], max(2, x.shape[1] // 4), seed)[..., 0]


KINDS: dict[str, Spoil] = {
    "spike": _spike,
    "level_shift": _level_shift,
    "frequency": _frequency,
    "noise": _noise,
    "stuck": _stuck,
}


def spoilt(x: Tensor, factors: Tensor, kinds: list[str], share: float, seed: int) -> tuple[Tensor, Tensor]:
    """Return a copy of x (n, T, 1) with round(share n) anomalous samples, and labels (n,), 1 for these.

    Which samples is drawn; the kinds take turns. spike: one step is moved by 1.5 to 2.5, up or down. level_shift: from a step
    of the middle half on, by 0.8 to 1.2. frequency: from such a step on, time runs twice as fast. noise: a quarter of the
    steps have noise of deviation 0.5 on top. stuck: for a quarter of the steps the value stays what it was.
    """
    g = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(x), generator=g)[: round(share * len(x))]
    changed, y = x.clone(), torch.zeros(len(x), dtype=torch.int64)
    for k, kind in enumerate(kinds):
        mine = rows[k :: len(kinds)]
        if len(mine):
            changed[mine] = KINDS[kind](x[mine, :, 0], factors[mine], g)[..., None]
    y[rows] = 1
    return changed, y
