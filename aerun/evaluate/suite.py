"""Applications run on a trained model, one after the other."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace

from aerun.core.errors import AerunError
from aerun.core.seeding import own_draws
from aerun.evaluate import applications
from aerun.evaluate.outcome import Outcome
from aerun.trained import Trained

log = logging.getLogger("aerun")


def ask(name: str, trained: Trained) -> tuple[Outcome, float]:
    """Return the outcome of one application, and the seconds it took.

    Random numbers are drawn from the run's seed, and torch's generator is left as it was.
    """
    began = time.perf_counter()
    with own_draws(trained.seed):
        outcome: Outcome = applications.module(name).evaluate(trained)
    told = trained.autoencoder.preparation.told
    if told is not None and (name != "reconstruction" or not told.read):  # whose PCA is told it too
        words = f"is told {told.names}" if told.read else f"learned from {told.names}"
        outcome = replace(outcome, note=f"{outcome.note}; only the model {words}")
    return outcome, time.perf_counter() - began


def ask_all(
    names: Iterable[str], trained: Trained, report: Callable[[str, Outcome], None] = lambda name, outcome: None
) -> dict[str, float]:
    """Return APPLICATION/WHO/METRIC of all applications, and APPLICATION/seconds.

    One that cannot be computed on these data is logged and left out. report: called with each name and outcome.
    """
    figures: dict[str, float] = {}
    for name in names:
        try:
            outcome, seconds = ask(name, trained)
        except AerunError as e:
            log.warning("evaluate: %s: %s", name, e)
            continue
        report(name, outcome)
        figures |= {**outcome.flat(name), f"{name}/seconds": seconds}
    return figures
