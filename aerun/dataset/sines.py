"""Noisy sine waves, generated: the plainest task of a sequence model."""

import math
from collections.abc import Sequence

import torch

from aerun.core.checks import at_least, one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.dataset.generated import Drawn, Generated, generator, samples
from aerun.dataset.sequences.wave_anomalies import KINDS, spoilt, wave
from aerun.dataset.splits import Data, Split


class Sines(Generated):
    """x_t = a sin(2 pi f t / T + p) + noise e_t, t = 0..T-1, a ~ U(0.5, 1), f ~ U(1, 4), p ~ U(0, 2 pi), e ~ N(0, 1).

    n samples of shape (T, 1), T = steps; factors a, f, p. Nothing can be reconstructed better than
    the noise without copying it: noise^2 per element. anomalies: the share of the test samples that are anomalous, of the
    `kinds` in turn, see `spoilt`; these are of the class anomaly, all others of the class normal, and `dataset.contamination`
    is the share of the training samples that are anomalous too; validation samples never are. The waves are the same with and
    without. Raises AerunError for fewer than 20 samples or 8 steps, and for shares that leave none or all of the test samples.
    """

    selects = True

    def __init__(self, *, n: int, steps: int, noise: float, anomalies: float, kinds: str | Sequence[str], seed: int) -> None:
        self.n, self.steps, self.seed = samples(n), steps, seed
        self.noise = at_least("dataset.noise", noise, 0)
        generator(seed)
        if steps < 8:
            raise AerunError(f"dataset.steps={steps}: waves of up to 4 cycles need at least 8 steps.")
        self.anomalies = at_least("dataset.anomalies", anomalies, 0)
        tests = round(0.15 * n)
        if self.anomalies and not 0 < round(self.anomalies * tests) < tests:
            raise AerunError(f"dataset.anomalies={anomalies}: must leave some of both among the {tests} test samples, or be 0.")
        self.kinds = [one_of("dataset.kinds", kind, tuple(KINDS)) for kind in ([kinds] if isinstance(kinds, str) else kinds)]
        if not self.kinds:
            raise AerunError(f"dataset.kinds=[]: name some of {', '.join(KINDS)}, or dataset.anomalies=0.")

    def refuse_protocol(self) -> None:
        names = [self.normal] if isinstance(self.normal, str) else self.normal
        if not self.anomalies:
            for name, value in (("contamination", self.contamination or None), ("normal", self.normal)):
                if value is not None:
                    raise AerunError(f"dataset.{name}={value} needs dataset.anomalies=SHARE: without, all waves are normal.")
        elif names is not None and names != ["normal"]:
            raise AerunError(f"dataset.normal={self.normal}: the waves are: leave it out, or dataset.normal=normal.")
        else:
            self.normal = "normal"

    @property
    def class_names(self) -> tuple[str, ...]:
        return ("normal", "anomaly") if self.anomalies else ()

    def facts(self) -> Facts:
        classes = len(self.class_names) or None
        return Facts(shape=(self.steps, 1), kind="sequence", unit=1.0, low=None, high=None, classes=classes)

    def draw(self) -> Drawn:
        g = generator(self.seed)
        u = torch.rand(self.n, 3, generator=g)
        factors = torch.stack([0.5 + 0.5 * u[:, 0], 1 + 3 * u[:, 1], 2 * math.pi * u[:, 2]], 1)
        x = wave(factors, torch.arange(self.steps) / self.steps)
        x = x + self.noise * torch.randn(x.shape, generator=g)
        return Drawn(x[..., None], factors=factors)

    def read(self) -> Data:
        data, factors = super().read(), self.factors()
        if not self.anomalies or factors is None:
            return data
        shares = (self.contamination, 0.0, self.anomalies)
        parts = ((data.train, factors.train), (data.val, factors.val), (data.test, factors.test))
        return Data(
            *(
                Split(*spoilt(clean.x, truth.x, self.kinds, share, 3 * self.seed + k))
                for k, ((clean, truth), share) in enumerate(zip(parts, shares, strict=True))
            )
        )
