"""What is fitted to the codes of training samples: found in the run's folder, or fitted and kept there."""

from pathlib import Path

import torch

from aerun.core.errors import AerunError
from aerun.evaluate.samplers import CODE_PRIORS, OfNumbers, OfPrior, Sampler, samplers
from aerun.inference.kept_samplers import keep_sampler, kept_sampler
from aerun.inference.runner import Runner
from aerun.inference.with_data import trained_of
from aerun.parts import option


def fitted_sampler(runner: Runner, name: str, data: str | Path | None) -> Sampler | OfNumbers:
    """Return a sampler that is fitted to the training data, which are read where the folder does not hold it yet.

    data: where they are, where they are files. Raises AerunError for one that is of other codes.
    """
    bottleneck = runner.autoencoder.bottleneck
    if name in CODE_PRIORS and not bottleneck.levels:
        raise AerunError(
            f"sampler={name}: draws the numbers of discrete codes, and those of model/bottleneck={option(bottleneck)} "
            "are real. Use gaussian or mixture."
        )
    return kept_sampler(runner, name) or _fit(runner, name, data)


def code_prior(runner: Runner, name: str | None, data: str | Path | None) -> OfNumbers | None:
    """Return the probabilities of discrete codes by which `compress` codes them; None where none are asked for."""
    if name is None:
        return None
    if name not in CODE_PRIORS or not runner.autoencoder.bottleneck.levels:
        raise AerunError(
            f"prior={name}: one of {', '.join(CODE_PRIORS)}, of a run whose codes are discrete; those of "
            f"model/bottleneck={option(runner.autoencoder.bottleneck)} are compressed without."
            if name in CODE_PRIORS
            else f"prior={name}: one of {', '.join(CODE_PRIORS)}."
        )
    sampler = fitted_sampler(runner, name, data)
    assert isinstance(sampler, OfNumbers)
    return sampler


def _fit(runner: Runner, name: str, data: str | Path | None) -> Sampler | OfNumbers:
    """Return a sampler that was fitted to the training data, and keep it."""
    with torch.inference_mode(False):
        sampler = samplers(trained_of(runner, f"sampler={name} is fitted to the training data", data)).get(name)
    if sampler is None or isinstance(sampler, OfPrior):
        raise AerunError(f"sampler={name}: so large a code has no covariance to begin with. Use sampler=mixture or aggregate.")
    keep_sampler(runner, name, sampler)
    return sampler
