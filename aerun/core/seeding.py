"""Torch's random numbers, set and put back without what torch does for devices that are not there."""

import contextlib
from collections.abc import Iterator
from functools import cache

import torch


def seed_all(seed: int) -> None:
    """Seed all generators, as `torch.manual_seed` does.

    Without a device, torch would note every call, with the lines of code that led to it, for one that may come.
    """
    (torch.manual_seed if _accelerated() else torch.default_generator.manual_seed)(seed)


@contextlib.contextmanager
def own_draws(seed: int | None = None) -> Iterator[None]:
    """Leave behind none of the draws until the block ends, which begin with `seed` where there is one.

    `torch.random.fork_rng` looks for devices each time.
    """
    with torch.random.fork_rng() if _accelerated() else torch.random.fork_rng(devices=[]):
        if seed is not None:
            seed_all(seed)
        yield


@cache
def _accelerated() -> bool:
    return torch.accelerator.is_available()
