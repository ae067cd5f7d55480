"""What corruptions that hide entries share."""

from abc import abstractmethod

from torch import Tensor

from aerun.core.errors import AerunError
from aerun.parts import Corruption


class Hiding(Corruption):
    """x_in = `fill` where `hidden` says so, else x; nothing is rescaled (dropout does). Shapes (B, *S).

    show_mask: the encoder reads the mask beside x_in, and hidden entries as the training mean, whatever `fill` is.
    """

    offers = frozenset({"mask"})
    fill: float = 0.0

    def __init__(self, *, show_mask: bool) -> None:
        super().__init__()
        self.shows_mask = show_mask

    @abstractmethod
    def hidden(self, x: Tensor) -> Tensor:
        """True where an entry of x is hidden, (B, *S) bool."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mask = self.hidden(x)
        return {"x_in": x.masked_fill(mask, self.fill), "mask": mask}


def refuse_kind(option: str, kind: str, allowed: tuple[str, ...], why: str) -> None:
    """AerunError where the data's kind is not one of `allowed`."""
    if kind not in allowed:
        raise AerunError(
            f"model/corruption={option} needs data of kind {' or '.join(allowed)}, {why}; this data set's kind is {kind}. "
            "Use model/corruption=masking."
        )
