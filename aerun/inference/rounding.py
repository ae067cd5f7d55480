"""Codes as whole numbers: what `compress` stores."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.coding.quantizer import Quantizer
from aerun.coding.rans import tables_of
from aerun.core.checks import number
from aerun.core.errors import AerunError
from aerun.inference.runner import Runner

STEP = 0.1  # In standard deviations of the training codes.
_MARGIN, _RARE, _WIDEST = 2, 1e-5, 1 << 12


@dataclass(frozen=True)
class Rounding:
    """Codes (n, d, *grid) <-> levels (n, u, *grid).

    steps (d,): n_j = round(z_j / step_j); None where the bottleneck's own numbers are whole already, such as entries of a
    codebook, so that nothing is lost.
    """

    steps: Tensor | None

    def units(self, runner: Runner) -> int:
        """Return u, how many numbers stand at each place of a code."""
        return len(runner.autoencoder.bottleneck.levels) or runner.code_shape[0]

    def levels(self, runner: Runner, stored: Tensor) -> Tensor:
        """Return the levels of stored samples, on the CPU, computed in batches.

        Raises AerunError for codes that are not finite.
        """
        numbers = runner.numbers_of(stored)
        if not bool(numbers.isfinite().all()):
            raise AerunError("these samples have codes that are not finite.")
        return (numbers.double() if self.steps is None else numbers.double() / self._shaped(numbers)).round().long()

    def codes(self, runner: Runner, levels: Tensor) -> Tensor:
        """Return the 32-bit codes of levels. Raises AerunError for numbers that no code has."""
        bottleneck = runner.autoencoder.bottleneck
        if bottleneck.levels:
            most = torch.tensor(bottleneck.levels).reshape(1, -1, *[1] * (levels.ndim - 2))
            if bool((levels < 0).any()) or bool((levels >= most).any()):
                raise AerunError("coding: holds numbers that no code of this model has.")
            return bottleneck.lookup(levels.to(runner.device)).cpu().float()
        numbers = (levels.double() if self.steps is None else levels * self._shaped(levels)).float()
        return bottleneck.lookup(numbers.to(runner.device)).cpu()

    def _shaped(self, like: Tensor) -> Tensor:
        assert self.steps is not None
        return self.steps.double().reshape(1, -1, *[1] * (like.ndim - 2))

    def shared(self, runner: Runner) -> Quantizer | None:
        """Return the tables that writer and reader both derive from the model, so that the file need not hold them.

        Of finitely many numbers all are alike likely; else they are those of the learned distribution, or of a Gaussian with
        the moments of the training codes. None where the run did not write these down.
        """
        levels = runner.autoencoder.bottleneck.levels
        if levels:
            return _alike(torch.tensor(levels))
        try:
            mean, deviation, low, high = moments(runner)
        except AerunError:
            return None
        step = torch.ones_like(mean) if self.steps is None else self.steps.double()
        lowest, highest = (low / step).round().long() - _MARGIN, (high / step).round().long() + _MARGIN
        widths = highest - lowest + 1
        most = int(widths.max())
        if most > _WIDEST:
            return None
        places = lowest + torch.arange(most)[:, None]  # (A, d)
        p = _learned(runner, places) if self.steps is None else None
        if p is None:
            away = (places - mean / step) / (deviation / step).clamp_min(1e-3)
            p = torch.exp(-0.5 * away.square())
            p = p / p.sum(0).clamp_min(_RARE)
        counts = torch.where(torch.arange(most)[:, None] < widths, p + _RARE, 0.0).t()
        return Quantizer(step, lowest, widths, tables_of(counts.detach().numpy()))


def _alike(levels: Tensor) -> Quantizer:
    """Return the tables by which every number of unit i, below levels[i], is equally likely."""
    counts = (torch.arange(int(levels.max())) < levels[:, None]).double()
    return Quantizer(torch.ones(len(levels)), torch.zeros_like(levels), levels, tables_of(counts.numpy()))


def _learned(runner: Runner, places: Tensor) -> Tensor | None:
    """Return the probabilities of whole numbers (A, d) that the bottleneck has learned, in 64 bits on the CPU; or None."""
    return copy.deepcopy(runner.autoencoder.bottleneck).double().cpu().probability(places.double())


def rounding(runner: Runner, step: float | None) -> Rounding:
    """Return how this model's codes are rounded: not at all where they are discrete, else to multiples of a step.

    The step of a unit is `step` (default: 0.1) times its standard deviation over the training codes. Raises AerunError for a
    step that cannot be.
    """
    if runner.autoencoder.bottleneck.whole:
        if step is not None:
            raise AerunError(f"step={step:g}: this run's codes are whole numbers, which are kept as they are.")
        return Rounding(None)
    size = STEP if step is None else number("step", step)
    if not 1e-3 <= size <= 10:
        raise AerunError(f"step={size:g}: between 0.001 and 10 standard deviations of training codes.")
    _, deviation, _, _ = moments(runner)
    alive = deviation[deviation > 0]
    least = 1e-3 * float(deviation.max()) if len(alive) else 1.0
    return Rounding((size * deviation.clamp_min(least)).float())


def moments(runner: Runner) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the mean, standard deviation, minimum and maximum of each unit over training samples and places, (d,), 64-bit.

    For wide codes, whose covariance is not kept, the deviation is half the distance between their quantiles 0.16 and 0.84.
    """
    about = runner.training_codes
    d = runner.code_shape[0]
    mean, low, high = (torch.from_numpy(v).double().reshape(d, -1) for v in (about.mean, about.low, about.high))
    low, high = low.min(1).values, high.max(1).values
    if about.covariance is None:
        quantiles = torch.from_numpy(about.units).double()
        deviation = torch.maximum((quantiles[5] - quantiles[1]) / 2, (quantiles[6] - quantiles[0]) / 4)
        return mean.mean(1), deviation, low, high
    within = torch.from_numpy(about.covariance.diagonal().copy()).double().clamp_min(0).reshape(d, -1)
    return mean.mean(1), (within.mean(1) + mean.var(1, correction=0)).sqrt(), low, high
