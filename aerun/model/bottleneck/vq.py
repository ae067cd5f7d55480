"""A discrete code: the nearest entries of a learned codebook."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from aerun.core.checks import at_least, integer, within
from aerun.core.errors import AerunError
from aerun.parts import Discrete
from aerun.vocabulary import wide

_ROWS = 16384  # vectors that are compared with the codebook at once, to limit memory
_LEAST = 1e-6  # least running count of a code, which decays while no vector chooses it


class Vq(Discrete):
    """z = e_k, k = argmin_k ||h - e_k||^2, the vector h at each place cut into `groups` parts that share one codebook.

    (B, d, *grid) -> (B, d, *grid), codebook e (codes, d / groups). Both passes are the same. Gradients pass straight through:
    dz/dh = 1. `penalty` = commitment * sum ||h - e_k||^2 over places and groups, (B,), keeps the encoder near its codes. The
    codebook has no gradient: in training mode e_k follows the running mean of the vectors that chose it, after each pass
    N_k <- decay N_k + (1 - decay) n_k and e_k <- e_k + (1 - decay) (sum h - n_k e_k) / N_k. A code that no vector has chosen
    for `restart_after` training samples becomes a random vector of the batch; so do all codes in the first batch. All of
    this is done in 32 bits.

    Watched, of a validation batch: perplexity, exp of the entropy of its codes' frequencies; used, the number of different
    codes in it; bits, log2(codes) for each place and group. Raises AerunError where d is not divisible by `groups`.
    van den Oord, Vinyals & Kavukcuoglu 2017, https://arxiv.org/abs/1711.00937 (appendix A.1: running means); restarts:
    Dhariwal et al. 2020, https://arxiv.org/abs/2005.00341
    """

    offers = frozenset({"penalty"})
    watches = ("perplexity", "used", "bits")
    follows_batches = True

    codebook: Tensor
    mass: Tensor
    idle: Tensor

    def __init__(
        self, *, latent_dim: int, codes: int, groups: int, decay: float, commitment: float, restart_after: int
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.codes = integer("model.bottleneck.codes", codes, 2)
        self.groups = integer("model.bottleneck.groups", groups, 1)
        if latent_dim % groups:
            raise AerunError(
                f"model.bottleneck.groups={groups}: equal parts of a code need a divisor of model.latent_dim={latent_dim}."
            )
        self.levels = (self.codes,) * self.groups
        self.decay = within("model.bottleneck.decay", decay, 0, 1)
        if self.decay == 1:
            raise AerunError("model.bottleneck.decay=1: the codebook would never move. Use a value below 1, 0.99 say.")
        self.commitment = at_least("model.bottleneck.commitment", commitment, 0)
        self.restart_after = integer("model.bottleneck.restart_after", restart_after, 1)
        self.register_buffer("codebook", torch.randn(codes, latent_dim // groups))
        self.register_buffer("mass", torch.ones(codes))
        self.register_buffer("idle", torch.full((codes,), restart_after))  # so that the first batch sets every code

    @property
    def features(self) -> int:
        return self.latent_dim

    def indices(self, h: Tensor) -> Tensor:
        """Map h (B, d, *grid) to the numbers of its codes (B, groups, *grid)."""
        return self._nearest(self._vectors(h)).view(h.shape[0], self.groups, *h.shape[2:])

    def lookup(self, indices: Tensor) -> Tensor:
        """Map numbers (B, groups, *grid) to z (B, d, *grid)."""
        parts = embedding(indices, self.codebook)  # (B, groups, *grid, d / groups)
        return parts.movedim(-1, 2).reshape(indices.shape[0], self.latent_dim, *indices.shape[2:])

    def nearest(self, z: Tensor) -> Tensor:
        return self.code(z)

    def forward(self, h: Tensor) -> dict[str, Any]:
        vectors = self._vectors(h.detach())
        if self.training:
            self._restart(vectors)
        chosen = self._nearest(vectors)
        e = self.lookup(chosen.view(h.shape[0], self.groups, *h.shape[2:]))
        if self.training:
            self._follow(vectors, chosen, h.shape[0])
        penalty = self.commitment * (h - e).square().flatten(1).sum(1)
        return {"z": e + (h - h.detach()), "penalty": penalty}

    def _vectors(self, h: Tensor) -> Tensor:
        """Map (B, d, *grid) to vectors (B * groups * places, d / groups)."""
        parts = wide(h).reshape(h.shape[0], self.groups, self.codebook.shape[1], -1)
        return parts.movedim(2, -1).reshape(-1, self.codebook.shape[1])

    def _nearest(self, vectors: Tensor) -> Tensor:
        with torch.autocast(vectors.device.type, enabled=False):
            squares = self.codebook.square().sum(1)
            # In an export the number of rows is unknown.
            parts = [vectors] if torch.compiler.is_exporting() else vectors.split(_ROWS)
            nearest = [(squares - 2 * part @ self.codebook.t()).argmin(1) for part in parts]
        return torch.cat(nearest)

    def _restart(self, vectors: Tensor) -> None:
        """Replace codes that have long been unused by vectors of the batch, by different ones as far as there are enough."""
        drawn = torch.randperm(len(vectors), device=vectors.device).repeat(-(-self.codes // len(vectors)))[: self.codes]
        expired = self.idle >= self.restart_after
        self.codebook.copy_(torch.where(expired[:, None], vectors[drawn], self.codebook))
        self.mass.copy_(torch.where(expired, 1, self.mass))
        self.idle.copy_(torch.where(expired, 0, self.idle))

    def _follow(self, vectors: Tensor, chosen: Tensor, samples: int) -> None:
        """Update the running means, so that the code of an unused entry stays exactly as it is."""
        n = self._counts(chosen)
        sums = torch.zeros_like(self.codebook).index_add_(0, chosen, vectors)
        self.mass.copy_(self.decay * self.mass + (1 - self.decay) * n)
        shift = (sums - n[:, None] * self.codebook) / self.mass.clamp_min(_LEAST)[:, None]
        self.codebook.add_(shift, alpha=1 - self.decay)
        self.idle.copy_(torch.where(n > 0, 0, self.idle + samples))

    def _counts(self, chosen: Tensor) -> Tensor:
        return torch.zeros_like(self.mass).index_add_(0, chosen, torch.ones_like(chosen, dtype=self.mass.dtype))

    def watch(self, h: Tensor) -> dict[str, Tensor]:
        counts = self._counts(self._nearest(self._vectors(h)))
        entropy = torch.special.entr(counts / counts.sum()).sum()
        bits = counts.new_tensor(self.bits(h[0, 0].numel()))
        return {"perplexity": entropy.exp(), "used": (counts > 0).sum(), "bits": bits}
