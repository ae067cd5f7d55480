"""What the encoder sees of a sample, and what is known about the corruption."""

from abc import abstractmethod

from torch import Tensor

from aerun.metrics.moments import Moments, Noise
from aerun.parts.base import Part, option


class Corruption(Part):
    """Maps x to what the encoder sees, drawn afresh at every call; the target of training stays clean.

    alters: False where x_in is x. hides: what is hidden holds `fill`, and `mask` says where, so that a trained model can fill
    in what is missing. makes_holes: what is hidden lies together and is judged by itself; otherwise all of a sample is to be
    cleaned. is_noise: False where x_in looks like clean samples, so that nothing shows that it is to be cleaned. elementwise:
    each entry for itself, whatever the range and the shape of the data, so that the features of a hidden layer can be
    corrupted as well. `shows_mask`: the encoder also sees which entries are hidden.
    white_noise: the deviation of x_in - x where that is Gaussian white noise and nothing else, in units of x.
    """

    alters: bool = True
    hides: bool = False
    makes_holes: bool = False
    is_noise: bool = True
    elementwise: bool = False
    shows_mask: bool = False
    fill: float = 0.0
    white_noise: float | None = None

    @abstractmethod
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map clean x (B, *S) to {"x_in": (B, *S), ...}."""

    def describe(self) -> str:
        """Return what is done to a sample, in words that follow "one draw of"."""
        return f"model/corruption={option(self)}"

    def noise_model(self, moments: Moments) -> Noise | None:
        """Return what this does to the moments of clean samples, or None where that is not known.

        The best linear estimate of x from x_in follows from it.
        """
        return None


class Hiding(Corruption):
    """x_in = `fill` where `hidden` says so, else x; nothing is rescaled (dropout does). Shapes (B, *S).

    show_mask: the encoder reads the mask beside x_in, and hidden entries as the training mean, whatever `fill` is.
    """

    offers = frozenset({"mask"})
    hides = True
    makes_holes = True

    def __init__(self, *, show_mask: bool) -> None:
        super().__init__()
        self.shows_mask = show_mask

    @abstractmethod
    def hidden(self, x: Tensor) -> Tensor:
        """Return a mask (B, *S), True where an entry of x is hidden."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mask = self.hidden(x)
        return {"x_in": x.masked_fill(mask, self.fill), "mask": mask}
