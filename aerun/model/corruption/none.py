"""No corruption."""

from torch import Tensor

from aerun.parts import Corruption


class None_(Corruption):  # noqa: N801 - `None` is taken
    """x_in = x: the encoder sees the clean input (B, *S)."""

    alters = False
    elementwise = True

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"x_in": x}
