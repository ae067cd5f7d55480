"""Codes as whole numbers: what `compress` stores."""

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from aerun.coding.quantizer import Quantizer
from aerun.coding.rans import tables_of
from aerun.core.checks import number
from aerun.core.errors import AerunError
from aerun.model.bottleneck.quantized import Quantized
from aerun.model.bottleneck.vq import Vq

if TYPE_CHECKING:
    from aerun.inference.model import Model

STEP = 0.1  # standard deviations of training codes
_MARGIN, _RARE, _WIDEST = 2, 1e-5, 1 << 12


@dataclass(frozen=True)
class Rounding:
    """Codes (n, d, *grid) <-> levels (n, u, *grid).

    steps (d,): n_j = round(z_j / step_j); None where codes are whole numbers already (quantized), or numbers of entries of a
    codebook (vq: u groups), so that nothing is lost.
    """

    steps: Tensor | None

    def levels(self, model: "Model", stored: Tensor) -> Tensor:
        """Stored samples -> levels, on the CPU, in batches. AerunError for codes that are not finite."""
        bottleneck, autoencoder = model.autoencoder.bottleneck, model.autoencoder
        if isinstance(bottleneck, Vq):
            return model._samples(lambda u, v: bottleneck.indices(autoencoder.arch.encode(u, None, v)), stored)
        z = model.codes_of(stored)
        if not bool(z.isfinite().all()):
            raise AerunError("these samples have codes that are not finite.")
        return (z.double() if self.steps is None else z.double() / self._shaped(z)).round().long()

    def codes(self, model: "Model", levels: Tensor) -> Tensor:
        """Levels -> codes, 32-bit. AerunError for numbers that the codebook does not have."""
        bottleneck = model.autoencoder.bottleneck
        if isinstance(bottleneck, Vq):
            if int(levels.min()) < 0 or int(levels.max()) >= bottleneck.codes:
                raise AerunError("coding: holds numbers that the codebook does not have.")
            return bottleneck.lookup(levels.to(model.device)).cpu()
        return (levels.double() if self.steps is None else levels * self._shaped(levels)).float()

    def _shaped(self, like: Tensor) -> Tensor:
        assert self.steps is not None
        return self.steps.double().reshape(1, -1, *[1] * (like.ndim - 2))

    def shared(self, model: "Model") -> Quantizer | None:
        """Tables that writer and reader know without being told: all entries alike (vq), the learned distribution (quantized),
        or a Gaussian with the moments of training codes. None where the run did not write these down."""
        bottleneck = model.autoencoder.bottleneck
        if isinstance(bottleneck, Vq):
            u = bottleneck.groups
            whole = torch.full((u,), bottleneck.codes)
            return Quantizer(torch.ones(u), torch.zeros(u).long(), whole, tables_of(np.ones((u, bottleneck.codes))))
        try:
            mean, deviation, low, high = moments(model)
        except AerunError:
            return None
        step = torch.ones_like(mean) if self.steps is None else self.steps.double()
        lowest, highest = (low / step).round().long() - _MARGIN, (high / step).round().long() + _MARGIN
        widths = highest - lowest + 1
        most = int(widths.max())
        if most > _WIDEST:
            return None
        places = lowest + torch.arange(most)[:, None]  # (A, d)
        if isinstance(bottleneck, Quantized):
            p = copy.deepcopy(bottleneck).double().cpu().probability(places.double())
        else:
            away = (places - mean / step) / (deviation / step).clamp_min(1e-3)
            p = torch.exp(-0.5 * away.square())
            p = p / p.sum(0).clamp_min(_RARE)
        counts = torch.where(torch.arange(most)[:, None] < widths, p + _RARE, 0.0).t()
        return Quantizer(step, lowest, widths, tables_of(counts.detach().numpy()))


def rounding(model: "Model", step: float | None) -> Rounding:
    """That of this model: none where codes are discrete, else steps of `step` (default: 0.1) standard deviations of training
    codes. AerunError for a step that cannot be."""
    if isinstance(model.autoencoder.bottleneck, Vq | Quantized):
        if step is not None:
            raise AerunError(f"step={step:g}: this run's codes are whole numbers, which are kept as they are.")
        return Rounding(None)
    size = STEP if step is None else number("step", step)
    if not 1e-3 <= size <= 10:
        raise AerunError(f"step={size:g}: between 0.001 and 10 standard deviations of training codes.")
    _, deviation, _, _ = moments(model)
    alive = deviation[deviation > 0]
    least = 1e-3 * float(deviation.max()) if len(alive) else 1.0
    return Rounding((size * deviation.clamp_min(least)).float())


def moments(model: "Model") -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Mean, standard deviation, smallest and largest value of each unit over training samples and places, (d,), 64-bit.

    Of wide codes, whose covariance is not kept, the deviation is half of what lies between their quantiles 0.16 and 0.84.
    """
    about = model.training_codes
    d = model.code_shape[0]
    mean, low, high = (torch.from_numpy(v).double().reshape(d, -1) for v in (about.mean, about.low, about.high))
    low, high = low.min(1).values, high.max(1).values
    if about.covariance is None:
        quantiles = torch.from_numpy(about.units).double()
        deviation = torch.maximum((quantiles[5] - quantiles[1]) / 2, (quantiles[6] - quantiles[0]) / 4)
        return mean.mean(1), deviation, low, high
    within = torch.from_numpy(about.covariance.diagonal().copy()).double().clamp_min(0).reshape(d, -1)
    return mean.mean(1), (within.mean(1) + mean.var(1, correction=0)).sqrt(), low, high
