"""How unlike two images are in structure, at several sizes."""

from torch import Tensor

from aerun.core.errors import AerunError
from aerun.metrics.ssim import WINDOW, ms_ssim, ssim_applies
from aerun.model.loss.base import ResidualLoss
from aerun.vocabulary import wide


class MsSsim(ResidualLoss):
    """D (1 - MS-SSIM(x_i, x_hat_i)), each image by itself, D its number of elements; (B, C, H, W) -> (B,).

    MS-SSIM is the product of contrast and structure at up to five sizes, each half of the one before, and of luminance at the
    last: `aerun.metrics.ssim.ms_ssim`. An image has as many of the sizes as its shorter side allows for a window of 11 pixels
    (28 pixels: two, 176: five), and their weights are made to add up to 1. The factor D puts it beside a KL divergence on the
    footing of the losses that are summed over elements; `reduction: mean` leaves it out. No likelihood: structure is judged
    and not brightness, so expect a larger squared error than that of mse.
    Wang, Simoncelli & Bovik 2003, https://doi.org/10.1109/ACSSC.2003.1292216. Raises AerunError for data that are no images of
    at least 11 x 11 pixels, without bounds, and for a sigmoid output on data that leaves [0, 1].
    """

    def __init__(
        self, *, activation: str, reduction: str, shape: tuple[int, ...], kind: str, low: float | None, high: float | None
    ) -> None:
        super().__init__(activation=activation, reduction=reduction, low=low, high=high)
        if kind != "image" or not ssim_applies(shape):
            here = f"images of {shape[1]} x {shape[2]}" if kind == "image" else f"of the kind {kind}"
            raise AerunError(
                f"model/loss=ms_ssim needs images of at least {WINDOW} x {WINDOW} pixels; this data set's samples are {here}. "
                "Use model/loss=mse."
            )
        if low is None or high is None:
            raise AerunError(
                "model/loss=ms_ssim needs data with a known range; this data set's has no bounds. Use model/loss=mse."
            )
        self.span = high - low

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return 1 - MS-SSIM of each image, for each of its elements."""
        unlike = 1 - ms_ssim(wide(self.activate(raw)), wide(x), self.span)
        return unlike.reshape(-1, *[1] * (x.ndim - 1)).expand_as(x)
