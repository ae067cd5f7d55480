"""What vector, relu and sigmoid share: one feature for each unit, and a code that is a function of it."""

from abc import abstractmethod
from typing import Any

from torch import Tensor

from aerun.parts import Bottleneck


class Elementwise(Bottleneck):
    """z_j = f(h_j): (B, d) -> (B, d). Deterministic, so that both passes agree, and differentiable unit by unit."""

    offers = frozenset({"encode", "slope"})

    def __init__(self, *, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def features(self) -> int:
        return self.latent_dim

    @abstractmethod
    def slope(self, z: Tensor) -> Tensor:
        """Return dz_j / dh_j as a function of z, (B, d)."""

    def forward(self, h: Tensor) -> dict[str, Any]:
        z = self.code(h)
        return {"z": z, "slope": self.slope(z)}
