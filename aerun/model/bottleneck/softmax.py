"""A code of real numbers and of the probabilities of one class: what the semi-supervised adversarial autoencoder has."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Normal

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.model.bottleneck.one_hot import Blocks, OneHots
from aerun.parts import Bottleneck
from aerun.vocabulary import wide


class Softmax(Bottleneck):
    """z = (u, y): u the first d - K elements of h (B, d, *grid), y the softmax of the other K = `classes`; nothing is drawn.

    Prior, for terms that hold codes against it: N(0, I), and one-hot codes of equally likely classes. Raises AerunError where
    the code has no room for both. Makhzani et al. 2015, https://arxiv.org/abs/1511.05644
    """

    offers = frozenset({"encode", "prior", "log_classes"})
    can_be_cut = False  # a class that is 0 everywhere is none

    def __init__(self, *, latent_dim: int, classes: int) -> None:
        super().__init__()
        if integer("model.bottleneck.classes", classes, 2) >= latent_dim:
            raise AerunError(
                f"model.bottleneck.classes={classes}: model.latent_dim={latent_dim} leaves no real number beside the classes: "
                f"{classes + 1} or more."
            )
        self.latent_dim, self.classes = latent_dim, classes

    @property
    def features(self) -> int:
        return self.latent_dim

    def code(self, h: Tensor) -> Tensor:
        u, logits = self._parts(h)
        return torch.cat([u, logits.softmax(1)], 1)

    def nearest(self, z: Tensor) -> Tensor:
        u, y = self._parts(z)
        sure = (y >= 0).all(1, keepdim=True) & ((y.sum(1, keepdim=True) - 1).abs() < 1e-5)
        positive = y.clamp_min(1e-6)
        return torch.cat([u, torch.where(sure, y, positive / positive.sum(1, keepdim=True))], 1)

    def forward(self, h: Tensor) -> dict[str, Any]:
        u, logits = self._parts(wide(h))
        log_y = logits.log_softmax(1)
        standard = Normal(torch.zeros_like(u), torch.ones_like(u), validate_args=False)
        prior = Blocks([standard, OneHots(torch.zeros_like(logits), self.classes)])
        return {"z": self.code(wide(h)), "prior": prior, "log_classes": log_y[:, None]}

    def _parts(self, h: Tensor) -> tuple[Tensor, Tensor]:
        return h[:, : self.latent_dim - self.classes], h[:, self.latent_dim - self.classes :]
