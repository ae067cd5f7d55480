"""A Gaussian, bent by an invertible network."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from aerun.evaluate.samplers.fit import Fit
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.evaluate.samplers.training import best_of
from aerun.model.prior.couplings import Bent, Couplings

_STEPS, _HIDDEN = 4, 64


class Flow(Fit):
    """N(m, S) of the codes, bent by four couplings (`model/prior=flow`), which begin as the identity.

    They are trained on nine tenths of the codes by maximum likelihood, and the weights that are best on the rest are kept:
    where a Gaussian is the best that the codes support it stays one.
    """

    def __init__(self, base: Gaussian, couplings: Couplings) -> None:
        self.base, self.couplings = base, couplings

    @classmethod
    def fitted(cls, rows: Tensor, seed: int) -> Self:
        base = Gaussian.fitted(rows)
        torch.manual_seed(seed)
        couplings = _couplings(rows.shape[1]).to(rows.device)
        best_of(couplings, base.whitened(rows)[0].float(), lambda u: -Bent(1, couplings).log_density(u))
        return cls(base, couplings.to(rows))

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor]) -> Self:
        base = Gaussian.restored(arrays)
        couplings = _couplings(len(base.mean)).to(base.mean)
        couplings.load_state_dict({k: arrays[k] for k in couplings.state_dict()})
        return cls(base, couplings)

    def arrays(self) -> dict[str, Tensor]:
        return self.base.arrays() | self.couplings.state_dict()

    @torch.no_grad()
    def draw(self, n: int) -> Tensor:
        return self.base.coloured(Bent(1, self.couplings).draw(n))

    @torch.no_grad()
    def log_density(self, rows: Tensor) -> Tensor:
        u, log_det = self.base.whitened(rows)
        return Bent(1, self.couplings).log_density(u) + log_det


def _couplings(size: int) -> Couplings:
    return Couplings(size, _STEPS, _HIDDEN)
