"""Noisy sine waves, generated: the plainest task of a sequence model."""

import math

import torch
from torch import Tensor

from aerun.checks import at_least
from aerun.dataset.generated import Drawn, Generated, generator, samples
from aerun.errors import AerunError
from aerun.facts import Facts


class Sines(Generated):
    """x_t = a sin(2 pi f t / T + p) + noise e_t, t = 0..T-1, a ~ U(0.5, 1), f ~ U(1, 4), p ~ U(0, 2 pi), e ~ N(0, 1).

    n samples of shape (T, 1), T = steps; factors a, f, p. Nothing can be reconstructed better than
    the noise without copying it: noise^2 per element. Raises AerunError for fewer than 20 samples or 8 steps.
    """

    def __init__(self, *, n: int, steps: int, noise: float, seed: int) -> None:
        self.n, self.steps, self.seed = samples(n), steps, seed
        self.noise = at_least("dataset.noise", noise, 0)
        generator(seed)
        if steps < 8:
            raise AerunError(f"dataset.steps={steps}: waves of up to 4 cycles need at least 8 steps.")

    def facts(self) -> Facts:
        return Facts(shape=(self.steps, 1), kind="sequence", unit=1.0, low=None, high=None, classes=None)

    def draw(self) -> Drawn:
        g = generator(self.seed)
        u = torch.rand(self.n, 3, generator=g)
        amplitude, cycles, phase = 0.5 + 0.5 * u[:, 0], 1 + 3 * u[:, 1], 2 * math.pi * u[:, 2]
        t = torch.arange(self.steps) / self.steps
        x = amplitude[:, None] * torch.sin(2 * math.pi * cycles[:, None] * t + phase[:, None])
        x = x + self.noise * torch.randn(x.shape, generator=g)
        return Drawn(x[..., None], factors=torch.stack([amplitude, cycles, phase], 1))


def stuck(x: Tensor, steps: int, seed: int) -> Tensor:
    """Anomalies for a detector: a copy of x (n, T, F) whose sensor hangs, at a random place, for `steps` steps.

    From a random step on, all features keep that step's value. Raises AerunError unless 1 < steps < T.
    """
    n, length = x.shape[:2]
    if not 1 < steps < length:
        raise AerunError(f"stuck for {steps} steps: must be more than 1 and less than the {length} steps of a sample.")
    first = torch.randint(0, length - steps + 1, (n, 1), generator=torch.Generator().manual_seed(seed))
    t = torch.arange(length).expand(n, -1)
    source = torch.where((t >= first) & (t < first + steps), first, t).to(x.device)
    return x.gather(1, source[..., None].expand_as(x))
