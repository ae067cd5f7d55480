"""A random code of classes: groups of units of which exactly one is on."""

from typing import Any

import torch
from torch import Tensor

from aerun.core.checks import at_least, integer, one_of
from aerun.core.errors import AerunError
from aerun.model.bottleneck.one_hot import OneHots, grouped, hot
from aerun.parts import Discrete
from aerun.vocabulary import wide


class Categorical(Discrete):
    """q(z|x) of d / K groups, each one of K classes with logits h: z (B, d, *grid) has a single 1 in each group.

    Prior: all classes equally likely. Objective pass: the Gumbel-softmax draw y = softmax((l + g) / T), g = -log of an
    exponential draw; `straight_through`: z is one-hot at its largest entry and takes the gradient of y; `relaxed`: z = y. T
    falls from `temperature` to `final_temperature` along a straight line over training. Use pass: one-hot at the largest logit.
    The KL divergence is that of the classes, sum over groups of log K - H(q), exact for both.

    Watched, of a validation batch: temperature, that of the last step of training; used, how many of the d units are the
    largest of their group somewhere; bits. Raises AerunError for a code that is not made of whole groups, and for temperatures
    that are not above 0.
    Jang, Gu & Poole 2016, https://arxiv.org/abs/1611.01144; Maddison, Mnih & Teh 2016, https://arxiv.org/abs/1611.00712
    """

    offers = frozenset({"posterior", "prior", "log_classes"})
    watches = ("temperature", "used", "bits")
    space = "simplex"

    heat: Tensor

    def __init__(self, *, latent_dim: int, classes: int, sample: str, temperature: float, final_temperature: float) -> None:
        super().__init__()
        self.latent_dim, self.classes = latent_dim, integer("model.bottleneck.classes", classes, 2)
        if latent_dim % classes:
            raise AerunError(
                f"model.bottleneck.classes={classes}: a code of whole groups needs a multiple of that, and model.latent_dim is "
                f"{latent_dim}: {-(-latent_dim // classes) * classes}, say."
            )
        self.levels = (classes,) * (latent_dim // classes)
        self.draw = Draw(sample, temperature, final_temperature)
        self.register_buffer("heat", torch.tensor(float(temperature)))

    @property
    def features(self) -> int:
        return self.latent_dim

    def indices(self, h: Tensor) -> Tensor:
        """Map logits h (B, d, *grid) to the numbers of the most likely classes (B, G, *grid)."""
        return grouped(h, self.classes, 1).argmax(2)

    def lookup(self, indices: Tensor) -> Tensor:
        """Map numbers (B, G, *grid) to z (B, d, *grid), one-hot."""
        classes = torch.arange(self.classes, device=indices.device).reshape(-1, *[1] * (indices.ndim - 2))
        return (indices[:, :, None] == classes).flatten(1, 2).to(self.heat.dtype)

    def code(self, h: Tensor) -> Tensor:
        return hot(grouped(h, self.classes, 1), 2).flatten(1, 2)

    def nearest(self, z: Tensor) -> Tensor:
        return self.code(z)

    def forward(self, h: Tensor, progress: float = 1.0) -> dict[str, Any]:
        posterior = OneHots(wide(h), self.classes, self.draw.temperature(progress), not self.draw.straight)
        if self.training and torch.is_grad_enabled():
            self.heat.fill_(posterior.temperature)
        prior = OneHots.uniform(wide(h), self.classes)
        return {"z": self.draw(posterior), "posterior": posterior, "prior": prior, "log_classes": posterior.groups}

    def watch(self, h: Tensor) -> dict[str, Tensor]:
        used = self.code(h).transpose(0, 1).flatten(1).amax(1).sum()
        return {"temperature": self.heat, "used": used, "bits": self.heat.new_tensor(self.bits(h[0, 0].numel()))}


class Draw:
    """How a code of classes is drawn in training, and at what temperature."""

    def __init__(self, sample: str, temperature: float, final_temperature: float) -> None:
        self.straight = one_of("model.bottleneck.sample", sample, ("straight_through", "relaxed")) == "straight_through"
        ends = {"temperature": temperature, "final_temperature": final_temperature}
        for key, value in ends.items():
            if not at_least(f"model.bottleneck.{key}", value, 0):
                raise AerunError(f"model.bottleneck.{key}=0: draws would have no gradient. Use a value above 0, 0.5 say.")
        self.first, self.last = temperature, final_temperature

    def temperature(self, progress: float) -> float:
        """Return the temperature at `progress` in [0, 1] of training."""
        return self.first + (self.last - self.first) * progress

    def __call__(self, posterior: OneHots) -> Tensor:
        return posterior.rsample() if self.straight else posterior.relaxed()
