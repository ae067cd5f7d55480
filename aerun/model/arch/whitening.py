"""Whitening by the training data's principal components, as two fixed maps."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from aerun.core.errors import AerunError
from aerun.metrics import pca

_LEAST = 1e-6  # deviation of a component, relative to the first, below which it is rounding error


class Whitening(nn.Module):
    """y = (x - m) V / s, (B, D) -> (B, k): V the k leading principal components of the training data, s their deviations."""

    components: Tensor
    deviations: Tensor

    def __init__(self, size: int, k: int) -> None:
        super().__init__()
        if k > size:
            raise AerunError(f"model.latent_dim={k}: model.arch.whiten=true keeps at most {size} components of these data.")
        self.register_buffer("components", torch.eye(size, k))
        self.register_buffer("deviations", torch.ones(k))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.components / self.deviations

    @torch.no_grad()
    def learn(self, samples: Callable[[], Iterator[Tensor]]) -> None:
        """Learn the components from the training samples.

        Raises AerunError where the samples vary in fewer than k directions.
        """
        principal = pca.fit(samples, self.components.shape[1])
        squares, count = torch.zeros((), dtype=torch.float64), 0
        for x in samples():
            squares = squares + ((x.flatten(1) - principal.mean) @ principal.components).double().square().sum(0)
            count += len(x)
        deviations = (squares / count).sqrt()
        rank = int((deviations > _LEAST * deviations.max()).sum())
        if rank < (k := self.components.shape[1]):
            raise AerunError(
                f"model.latent_dim={k}: model.arch.whiten=true, but these data vary in {rank} directions only. "
                f"Use model.latent_dim={rank} or less."
            )
        self.components.copy_(principal.components)
        self.deviations.copy_(deviations)


class Colouring(nn.Module):
    """raw = m + (y s) V^T, the way back; m the raw value of the training mean."""

    mean: Tensor

    def __init__(self, whitening: Whitening) -> None:
        super().__init__()
        self._whitening = (whitening,)  # in a tuple, so that its buffers are stored only once
        self.register_buffer("mean", torch.zeros(whitening.components.shape[0]))

    def forward(self, y: Tensor) -> Tensor:
        (w,) = self._whitening
        return self.mean + (y * w.deviations) @ w.components.t()
