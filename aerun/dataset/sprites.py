"""Small pictures of which every factor is known."""

import torch
from torch import Tensor

from aerun.core.facts import Facts
from aerun.dataset.generated import Drawn, Generated

_SIDE, _FINE, _PLACES, _RADII = 16, 4, 8, (2.0, 3.5)  # pixels; samples a pixel and side; steps of x and y; sizes


class Sprites(Generated):
    """All 384 images of 16 x 16 bytes with 3 shapes (square, disc, cross: the labels) x 2 sizes x 8 places in x x 8 in y.

    The factors are (shape, size, x, y), counted from 0. After the sprites of Higgins et al. 2017,
    https://openreview.net/forum?id=Sy2fzU9gl, small enough to train on in seconds. Nothing in it is random.
    """

    def facts(self) -> Facts:
        return Facts(shape=(1, _SIDE, _SIDE), kind="image", unit=255.0, low=0.0, high=1.0, classes=3)

    def draw(self) -> Drawn:
        sides = (3, len(_RADII), _PLACES, _PLACES)
        factors = torch.cartesian_prod(*(torch.arange(n) for n in sides))
        images = torch.stack([_image(*row) for row in factors.tolist()])
        return Drawn((255 * images).round().to(torch.uint8)[:, None], factors[:, 0].clone(), factors.float())


def _image(shape: int, size: int, x: int, y: int) -> Tensor:
    """Return one sprite, (16, 16) in [0, 1]: the share of each pixel that it covers."""
    at = (torch.arange(_SIDE * _FINE) + 0.5) / _FINE
    across, down = (at - (x + 4.5)).abs(), (at - (y + 4.5)).abs()
    dx, dy, r = across[None, :], down[:, None], _RADII[size]
    inside = (
        torch.maximum(dx, dy) <= 0.9 * r,
        dx.square() + dy.square() <= r * r,
        (torch.minimum(dx, dy) <= 0.3 * r) & (torch.maximum(dx, dy) <= r),
    )[shape]
    return inside.float().reshape(_SIDE, _FINE, _SIDE, _FINE).mean((1, 3))
