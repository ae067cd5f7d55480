"""Entries are set to the darkest or the brightest value."""

import torch
from torch import Tensor

from aerun.core.checks import within
from aerun.core.errors import AerunError
from aerun.metrics.moments import Moments, Noise, replaced
from aerun.parts import Corruption


class SaltPepper(Corruption):
    """Each entry of (B, *S) becomes, with probability p, the data's low or high, each with probability 1/2.

    `mask` is True where an entry was replaced, also where it already had that value; the encoder never sees it.
    Vincent et al. 2010, https://jmlr.org/papers/v11/vincent10a.html. Raises AerunError for data without a declared range.
    """

    offers = frozenset({"mask"})

    def __init__(self, *, p: float, low: float | None, high: float | None) -> None:
        super().__init__()
        self.p = within("model.corruption.p", p, 0, 1)
        if low is None or high is None:
            raise AerunError(
                f"model/corruption=salt_pepper needs data of a known range; this data set's is [{low}, {high}]. "
                "Use model/corruption=masking or gaussian."
            )
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mask, salt = torch.rand_like(x) < self.p, torch.rand_like(x) < 0.5
        extreme = torch.where(salt, torch.full_like(x, self.high), self.low)
        return {"x_in": torch.where(mask, extreme, x), "mask": mask}

    def describe(self) -> str:
        return f"{100 * self.p:g} % of the elements made salt or pepper"

    def noise_model(self, moments: Moments) -> Noise:
        return replaced(moments, self.p, (self.low, self.high))
