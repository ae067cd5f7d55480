"""White noise as strong as each sample allows."""

import torch
from torch import Tensor

from aerun.core.checks import within
from aerun.core.errors import AerunError
from aerun.metrics.moments import Moments, Noise, added
from aerun.parts import Corruption


class Snr(Corruption):
    """x_in = x + s_i eps, eps ~ N(0, I), s_i^2 = P_i / 10^(db / 10), at a signal-to-noise ratio of `db` decibels. (B, *S).

    P_i is the mean squared deviation of sample i from its own mean, over all its elements: a constant offset carries no
    signal. A constant sample gets no noise. Not clamped. Raises AerunError where samples have lengths of their own, since
    the power of padding is not the signal's.
    """

    def __init__(self, *, ragged: bool, db: float) -> None:
        super().__init__()
        if ragged:
            raise AerunError(
                "model/corruption=snr needs samples of one length, to tell their power; this data set's differ. "
                "Use model/corruption=gaussian."
            )
        self.ratio = 10 ** (within("model.corruption.db", db, -100, 200) / 10)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        power = x.flatten(1).var(1, correction=0).reshape(-1, *[1] * (x.ndim - 1))
        return {"x_in": x + (power / self.ratio).sqrt() * torch.randn_like(x)}

    def describe(self) -> str:
        return f"noise {1 / self.ratio:.3g} times as strong as the signal"

    def noise_model(self, moments: Moments) -> Noise:
        power = moments.power.diagonal().mean() - moments.power.mean()  # mean over samples of the variance inside one
        return added(moments, float(power) / self.ratio)
