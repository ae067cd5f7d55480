"""A code that is a mixture of few remembered ones: the memory-augmented autoencoder."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from aerun.core.checks import at_least, integer, number
from aerun.core.errors import AerunError
from aerun.parts import Bottleneck
from aerun.vocabulary import wide


class Memory(Bottleneck):
    """z = w' M, M (items, d) learned, w = softmax_k cos(h, M_k), w' = shrunk w: (B, d, *grid), each place by itself.

    w'_k = relu(w_k - s) w_k / (|w_k - s| + 1e-12), divided by their sum; where no w_k is above s the largest is kept. s =
    `shrink` / items. Penalty, added to the loss as it is: entropy * sum_k -w'_k log w'_k, which makes codes of few items. So
    an unusual sample is written from what is normal, and its error is the score. M begins at features of training samples.
    The paper's 0.0002 stands beside an error averaged over elements: beside the summed one it is 0.0002 D.

    Watched: items, how many a place uses; used, the share of them that the batch uses. Raises AerunError for fewer than 2
    items, which all codes would be made of alike, and for a shrink above the number of items.
    Gong et al. 2019, https://arxiv.org/abs/1904.02639
    """

    offers = frozenset({"encode", "penalty"})
    watches = ("items", "used")
    can_be_cut = False  # a mixture of other items is no shorter

    def __init__(self, *, latent_dim: int, items: int, shrink: float, entropy: float) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.items = integer("model.bottleneck.items", items, 1)
        if self.items < 2:
            raise AerunError("model.bottleneck.items=1: every code would be that item, whatever the sample: 100, say.")
        if at_least("model.bottleneck.shrink", shrink, 0) >= self.items:
            raise AerunError(
                f"model.bottleneck.shrink={shrink}: weights below shrink / items are left out, and no weight is above 1: "
                "between 1 and 3."
            )
        self.shrink, self.entropy = (
            number("model.bottleneck.shrink", shrink) / self.items,
            number("model.bottleneck.entropy", entropy),
        )
        self.memory = nn.Parameter(torch.randn(self.items, latent_dim) / latent_dim**0.5)

    @property
    def features(self) -> int:
        return self.latent_dim

    def prepare(self, count: int, features: Callable[[int], Tensor]) -> None:
        rows = features(min(count, self.items)).transpose(1, -1).reshape(-1, self.latent_dim)[: self.items]
        self.memory[: len(rows)] = rows.to(self.memory)

    def code(self, h: Tensor) -> Tensor:
        return torch.einsum("bk...,kd->bd...", self._weights(h), wide(self.memory)).to(h.dtype)

    def forward(self, h: Tensor) -> dict[str, Any]:
        w = self._weights(h)
        entropy = -torch.special.xlogy(w, w.clamp_min(1e-12)).flatten(1).sum(1)
        z = torch.einsum("bk...,kd->bd...", w, wide(self.memory)).to(h.dtype)
        return {"z": z, "penalty": self.entropy * entropy}

    def watch(self, z: Tensor, h: Tensor) -> dict[str, Tensor]:
        on = self._weights(h).transpose(0, 1).flatten(1) > 0
        return {"items": on.sum(0).to(z.dtype).mean(), "used": on.any(1).to(z.dtype).mean()}

    def _weights(self, h: Tensor) -> Tensor:
        """Return the weights (B, items, *grid) of features (B, d, *grid)."""
        like = torch.einsum("bd...,kd->bk...", normalize(wide(h), dim=1), normalize(wide(self.memory), dim=1))
        return shrunk(like.softmax(1), self.shrink)


def shrunk(w: Tensor, s: float) -> Tensor:
    """Return weights w (B, K, *grid) that add up to 1, those up to s left out and the rest divided by its sum."""
    kept = torch.relu(w - s) * w / ((w - s).abs() + 1e-12)
    largest = torch.where(w == w.amax(1, keepdim=True), w, 0)
    kept = torch.where(kept.sum(1, keepdim=True) > 0, kept, largest)
    return kept / kept.sum(1, keepdim=True)
