"""A random code of real numbers and of classes: what varies smoothly beside what does not."""

from typing import Any

import torch
from torch import Tensor

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.model.bottleneck.categorical import Categorical
from aerun.model.bottleneck.gaussian import Gaussian
from aerun.model.bottleneck.one_hot import Blocks
from aerun.model.prior.normal import StandardNormal
from aerun.parts import Bottleneck


class Joint(Bottleneck):
    """z = (u, c): u ~ N(mu, diag s^2) as of `gaussian`, c of `groups` groups of K `classes` as of `categorical`, independent.

    h (B, 2 d_u + d_c, *grid), d_c = groups K and d_u = d - d_c: mu, log s^2, and logits. Prior N(0, I), and all classes
    equally likely. Use pass: mu, and one-hot at the largest logit. `reg.terms.kl.capacity` may hold each at its own nats, as
    the paper does: [nats of u, nats of c].

    Watched: temperature, of the last step of training. Raises AerunError where the code has no room for both.
    Dupont 2018, https://arxiv.org/abs/1804.00104
    """

    offers = frozenset({"posterior", "prior", "log_classes"})
    watches = ("temperature",)
    can_be_cut = False  # a class that is 0 everywhere is none

    def __init__(
        self, *, latent_dim: int, classes: int, groups: int, sample: str, temperature: float, final_temperature: float
    ) -> None:
        super().__init__()
        size = integer("model.bottleneck.groups", groups, 1) * integer("model.bottleneck.classes", classes, 2)
        if size >= latent_dim:
            raise AerunError(
                f"model.bottleneck.classes={classes}: a joint code needs room for both, and model.latent_dim={latent_dim} "
                f"leaves no real number beside {groups} x {classes} classes: {size + 1} or more."
            )
        self.latent_dim = latent_dim
        self.real = Gaussian(latent_dim=latent_dim - size, posterior="diagonal", steps=None)
        self.classes = Categorical(
            latent_dim=size, classes=classes, sample=sample, temperature=temperature, final_temperature=final_temperature
        )

    @property
    def features(self) -> int:
        return self.real.features + self.classes.features

    def code(self, h: Tensor) -> Tensor:
        u, c = h.split([self.real.features, self.classes.features], 1)
        return torch.cat([self.real.code(u), self.classes.code(c)], 1)

    def lookup(self, indices: Tensor) -> Tensor:
        """Return the code of numbers that were rounded: its classes are whole again."""
        return self.nearest(indices)

    def nearest(self, z: Tensor) -> Tensor:
        u, c = z.split([self.real.latent_dim, self.classes.latent_dim], 1)
        return torch.cat([u, self.classes.nearest(c)], 1)

    def forward(self, h: Tensor, progress: float = 1.0) -> dict[str, Any]:
        u, c = h.split([self.real.features, self.classes.features], 1)
        real, classes = self.real(u), self.classes(c, progress)
        standard = StandardNormal(real["z"])
        posterior = Blocks([real["posterior"], classes["posterior"]])
        prior = Blocks([standard, classes["prior"]])
        z = torch.cat([real["z"], classes["z"]], 1)
        return {"z": z, "posterior": posterior, "prior": prior, "log_classes": classes["log_classes"]}

    def watch(self) -> dict[str, Tensor]:
        return {"temperature": self.classes.heat}
