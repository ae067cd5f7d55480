"""Torch's random numbers, set and put back without what torch does for devices that are not there."""

import contextlib
from functools import cache

import torch


def seed_all(seed: int) -> None:
    """Seed all generators, as `torch.manual_seed` does.

    Without a device, torch would note every call, with the lines of code that led to it, for one that may come.
    """
    (torch.manual_seed if _accelerated() else torch.default_generator.manual_seed)(seed)


def own_draws() -> contextlib.AbstractContextManager[None]:
    """Return a context whose draws leave none behind, as `torch.random.fork_rng` does, which looks for devices each time."""
    return torch.random.fork_rng() if _accelerated() else torch.random.fork_rng(devices=[])


@cache
def _accelerated() -> bool:
    return torch.accelerator.is_available()
