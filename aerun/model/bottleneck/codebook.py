"""One codebook of a vector quantizer: its nearest entries, and how it follows the vectors that chose them."""

from dataclasses import dataclass

import torch
from torch import Tensor

_ROWS = 16384  # vectors that are compared with the codebook at once, to limit memory
_LEAST = 1e-6  # least running count of a code, which decays while no vector chooses it
_ROUNDS = 20  # of k-means


@dataclass(frozen=True)
class Codebook:
    """Views of a quantizer's buffers: codes (K, w), their running counts (K,), and samples since each was chosen (K,)."""

    codes: Tensor
    mass: Tensor
    idle: Tensor

    def nearest(self, vectors: Tensor) -> Tensor:
        """Map vectors (N, w) to the numbers of their codes, (N,)."""
        with torch.autocast(vectors.device.type, enabled=False):
            squares = self.codes.square().sum(1)
            # In an export the number of rows is unknown.
            parts = [vectors] if torch.compiler.is_exporting() else vectors.split(_ROWS)
            nearest = [(squares - 2 * part @ self.codes.t()).argmin(1) for part in parts]
        return torch.cat(nearest)

    def restart(self, vectors: Tensor, after: int) -> None:
        """Replace codes that have long been unused by vectors of the batch, by different ones as far as there are enough."""
        count = len(self.codes)
        drawn = torch.randperm(len(vectors), device=vectors.device).repeat(-(-count // len(vectors)))[:count]
        expired = self.idle >= after
        self.codes.copy_(torch.where(expired[:, None], vectors[drawn], self.codes))
        self.mass.copy_(torch.where(expired, 1, self.mass))
        self.idle.copy_(torch.where(expired, 0, self.idle))

    def follow(self, vectors: Tensor, chosen: Tensor, samples: int, decay: float) -> None:
        """Update the running means, so that the code of an unused entry stays exactly as it is."""
        n, sums = self.counts(chosen), self._sums(vectors, chosen)
        self.mass.copy_(decay * self.mass + (1 - decay) * n)
        shift = (sums - n[:, None] * self.codes) / self.mass.clamp_min(_LEAST)[:, None]
        self.codes.add_(shift, alpha=1 - decay)
        self.idle.copy_(torch.where(n > 0, 0, self.idle + samples))

    def counts(self, chosen: Tensor) -> Tensor:
        """Return how often each code is among the numbers (N,), (K,)."""
        return torch.zeros_like(self.mass).index_add_(0, chosen, torch.ones_like(chosen, dtype=self.mass.dtype))

    def _sums(self, vectors: Tensor, chosen: Tensor) -> Tensor:
        """Return the sum of the vectors (N, w) that chose each code, (K, w)."""
        return torch.zeros_like(self.codes).index_add_(0, chosen, vectors)

    def start_at_centres(self, vectors: Tensor) -> None:
        """Begin with the centres of k-means (Lloyd) on vectors (N, w); codes that none of them chooses stay to be restarted."""
        self.restart(vectors, 0)
        for _ in range(_ROUNDS):
            chosen = self.nearest(vectors)
            n, sums = self.counts(chosen), self._sums(vectors, chosen)
            spare = vectors[torch.randint(len(vectors), (len(n),), device=vectors.device)]
            self.codes.copy_(torch.where(n[:, None] > 0, sums / n.clamp_min(1)[:, None], spare))
        self.mass.fill_(1)
        self.idle.zero_()
