"""How often each number came at each position."""

import math
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

from aerun.evaluate.samplers.code_prior import CodePrior, Steps, padded


class Counts(CodePrior):
    """Positions are independent: p_t(k) = (n_tk + 1/2) / (N + K_t / 2), n_tk how many of N training codes have k at t.

    The half that is added (Krichevsky & Trofimov 1981, https://doi.org/10.1109/TIT.1981.1056331) leaves a probability to
    numbers that training codes do not have.
    """

    def __init__(self, counts: Tensor, levels: Sequence[int]) -> None:
        self.levels = tuple(levels)
        own = padded(levels, counts)
        if counts.shape != own.shape or bool((counts < 0).any()):
            raise ValueError("its counts are of other codes")
        self.counts = counts
        p = torch.where(own, counts.double() + 0.5, 0)
        self.p = p / p.sum(1, keepdim=True)

    @classmethod
    def fitted(cls, rows: Tensor, levels: Sequence[int], seed: int) -> Self:
        most = max(levels)
        place = rows + most * torch.arange(len(levels), device=rows.device)
        return cls(torch.bincount(place.flatten(), minlength=len(levels) * most).reshape(-1, most), levels)

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor], levels: Sequence[int]) -> Self:
        return cls(arrays["counts"], levels)

    def arrays(self) -> dict[str, Tensor]:
        return {"counts": self.counts}

    @property
    def entropy(self) -> float:
        """Return the entropy of the counts themselves in bits, which is no size of other codes: it is below theirs."""
        p = self.counts.double() / self.counts.sum(1, keepdim=True)
        return float(torch.special.entr(p).sum()) / math.log(2)

    def log_p(self, rows: Tensor) -> Tensor:
        return self.p.log().gather(1, rows.t()).t()

    def steps(self, n: int) -> Steps:
        return _Alike(self.p, n)


class _Alike(Steps):
    def __init__(self, p: Tensor, n: int) -> None:
        self.p, self.n, self.at = p, n, 0

    def __call__(self, last: Tensor | None) -> Tensor:
        self.at += 1
        return self.p[self.at - 1].expand(self.n, -1)
