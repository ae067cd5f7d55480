"""How similar two images are in structure."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

WINDOW, _SIGMA, _K1, _K2 = 11, 1.5, 0.01, 0.03


def ssim_applies(shape: tuple[int, ...]) -> bool:
    """Return whether images of this shape (C, H, W) are at least as large as the window."""
    return len(shape) == 3 and min(shape[1:]) >= WINDOW


def ssim(x: Tensor, y: Tensor, span: float) -> Tensor:
    """Return SSIM of images x and y (B, C, H, W), averaged over places and channels: (B,), float64.

    SSIM = (2 m_x m_y + c1) (2 s_xy + c2) / ((m_x^2 + m_y^2 + c1) (s_x^2 + s_y^2 + c2)): means, variances and covariance under a
    Gaussian window of 11 x 11, sigma 1.5, wherever it lies inside the image; c1 = (0.01 span)^2, c2 = (0.03 span)^2, span the
    range of the data. Wang, Bovik, Sheikh & Simoncelli 2004, https://doi.org/10.1109/TIP.2003.819861
    """
    a, b = (v.double().flatten(0, 1)[:, None] for v in (x, y))  # each channel by itself
    blurred = [_blur(v) for v in (a, b, a * a, b * b, a * b)]
    mx, my = blurred[0], blurred[1]
    xx, yy, xy = blurred[2] - mx * mx, blurred[3] - my * my, blurred[4] - mx * my
    c1, c2 = (_K1 * span) ** 2, (_K2 * span) ** 2
    similarity = (2 * mx * my + c1) * (2 * xy + c2) / ((mx * mx + my * my + c1) * (xx + yy + c2))
    return similarity.flatten(1).mean(1).view(x.shape[:2]).mean(1)


def _blur(v: Tensor) -> Tensor:
    """Map (N, 1, H, W) to (N, 1, H - 10, W - 10), one axis after the other."""
    at = torch.arange(WINDOW, dtype=v.dtype, device=v.device) - WINDOW // 2
    weights = torch.exp(-at.square() / (2 * _SIGMA**2))
    weights = (weights / weights.sum()).view(1, 1, -1, 1)
    return conv2d(conv2d(v, weights), weights.mT)
