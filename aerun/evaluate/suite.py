"""Applications asked of a trained model, one after the other."""

import logging
import time
from collections.abc import Callable, Iterable

import torch

from aerun.core.errors import AerunError
from aerun.evaluate import applications
from aerun.evaluate.outcome import Outcome
from aerun.trained import Trained

log = logging.getLogger("aerun")


def ask(name: str, trained: Trained) -> tuple[Outcome, float]:
    """Return what one application finds, and the seconds it took. Chance is drawn from the run's seed and leaves none behind."""
    began = time.perf_counter()
    with torch.random.fork_rng():
        torch.manual_seed(trained.seed)
        outcome: Outcome = applications.module(name).evaluate(trained)
    return outcome, time.perf_counter() - began


def ask_all(
    names: Iterable[str], trained: Trained, told: Callable[[str, Outcome], None] = lambda name, outcome: None
) -> dict[str, float]:
    """Return APPLICATION/WHO/METRIC of all, and APPLICATION/seconds. One that these data do not answer is told and left out."""
    found: dict[str, float] = {}
    for name in names:
        try:
            outcome, seconds = ask(name, trained)
        except AerunError as e:
            log.warning("evaluate: %s: %s", name, e)
            continue
        told(name, outcome)
        found |= {**outcome.flat(name), f"{name}/seconds": seconds}
    return found
