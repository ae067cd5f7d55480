"""A second variational autoencoder, of the codes of the first."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from aerun.evaluate.samplers.fit import Fit
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.evaluate.samplers.training import best_of
from aerun.model.bottleneck.moments import moments_of

_HIDDEN, _LAYERS, _DRAWS = 128, 3, 64
_LOG_G = -1.5  # to begin with: at g = 1 a whitened code is noise, u says nothing, and training never leaves that


class SecondStage(Fit):
    """u ~ N(0, I), z = z^(u) + g e, e ~ N(0, I): a VAE of codes with as many units as a code, g learned.

    Encoder and decoder have three layers of 128 units with ReLU, and see their input beside the last one. It works on whitened
    codes, is trained as `best_of` says, and its density is the importance-weighted bound of 64 draws, which is below the truth.
    Dai & Wipf 2019, https://arxiv.org/abs/1903.05789 (three layers of 1,024).
    """

    def __init__(self, base: Gaussian, network: "_Network") -> None:
        self.base, self.network = base, network

    @classmethod
    def fitted(cls, rows: Tensor, seed: int) -> Self:
        base = Gaussian.fitted(rows)
        torch.manual_seed(seed)
        network = _Network(rows.shape[1])
        best_of(network, base.whitened(rows)[0].float(), lambda z: -network.bound(z, 1))
        return cls(base, network)

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor]) -> Self:
        base = Gaussian.restored(arrays)
        network = _Network(len(base.mean))
        network.load_state_dict({k: arrays[k] for k in network.state_dict()})
        return cls(base, network)

    def arrays(self) -> dict[str, Tensor]:
        return self.base.arrays() | self.network.state_dict()

    @property
    def g(self) -> float:
        """Return the deviation of the noise that is added to decoded codes, in units of whitened ones."""
        return float(self.network.log_g.detach().exp())

    @torch.no_grad()
    def draw(self, n: int) -> Tensor:
        u = torch.randn(n, len(self.base.mean))
        z = self.network.decode(u)
        return self.base.coloured((z + self.network.log_g.exp() * torch.randn_like(z)).to(self.base.mean))

    @torch.no_grad()
    def log_density(self, rows: Tensor) -> Tensor:
        z, log_det = self.base.whitened(rows)
        parts = [self.network.bound(part, _DRAWS) for part in z.float().split(512)]
        return torch.cat(parts).to(rows) + log_det


class _Network(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.up, self.down = _layers(size), _layers(size)
        self.to_code, self.to_z = nn.Linear(_HIDDEN + size, 2 * size), nn.Linear(_HIDDEN + size, size)
        self.log_g = nn.Parameter(torch.tensor(_LOG_G))

    def decode(self, u: Tensor) -> Tensor:
        z: Tensor = self.to_z(torch.cat([self.down(u), u], -1))
        return z

    def bound(self, z: Tensor, draws: int) -> Tensor:
        """Return log (1/K) sum_k p(z|u_k) p(u_k) / q(u_k|z), K = draws, u_k ~ q: (n, E) -> (n,)."""
        mean, log_var = moments_of(self.to_code(torch.cat([self.up(z), z], -1)), -1)
        e = torch.randn(draws, *mean.shape, device=z.device)
        u = mean + (log_var / 2).exp() * e
        ratio = (e.square() + log_var - u.square()).sum(-1) / 2
        likely = -(((z - self.decode(u)) / self.log_g.exp()).square() + 2 * self.log_g + math.log(2 * math.pi)).sum(-1) / 2
        return (likely + ratio).logsumexp(0) - math.log(draws)


def _layers(size: int) -> nn.Sequential:
    sizes = [size, *[_HIDDEN] * _LAYERS]
    return nn.Sequential(*(m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())))
