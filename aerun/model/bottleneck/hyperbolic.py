"""The Poincare ball: hyperbolic space of curvature -1 as the vectors of length below 1.

Vectors at a point are given in its orthonormal frame, so that their length is the distance that they lead to. Near the edge
digits are lost: all is computed in 64 bits, where the device has them.
"""

import math

import torch
from torch import Tensor

from aerun.vocabulary import wide

FARTHEST = 12.0  # distance from the middle that a point has at most; 32 bits tell it to half a per cent there
EDGE = math.tanh(FARTHEST / 2)
_ROUNDING = 16  # last digits that a length may be off by
_TINY = 1e-15


def exact(x: Tensor) -> Tensor:
    """Return x in 64 bits, or in what is widest on its device."""
    return wide(x) if x.device.type == "mps" else x.double()


def length(x: Tensor) -> Tensor:
    """Return the length of vectors (..., d), (..., 1), never quite 0, whose gradient at 0 is 0."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True) + _TINY


def from_middle(u: Tensor, most: float = math.inf) -> Tensor:
    """Return the point that a vector u (..., d) at the middle leads to: exp_0(u) = tanh(|u| / 2) u / |u|.

    Vectors longer than `most` count as of that length.
    """
    r = length(u)
    return torch.tanh((r if most == math.inf else r.clamp_max(most)) / 2) / r * u


def to_middle(z: Tensor, edge: float | None = None) -> Tensor:
    """Return the vector at the middle that leads to z (..., d), its inverse: log_0(z) = 2 artanh(|z|) z / |z|.

    What is longer than `edge` counts as of that length on its ray; without it, as long as numbers tell it from 1.
    """
    r = length(z)
    return _distance(r, edge) / r * z


def distance(z: Tensor) -> Tensor:
    """Return the distance from the middle of points z (..., d), the length of what `to_middle` says of them, (..., 1)."""
    return _distance(length(z), None)


def _distance(r: Tensor, edge: float | None) -> Tensor:
    """Return 2 artanh r of lengths r."""
    near = r.clamp_max(1 - _ROUNDING * torch.finfo(r.dtype).eps if edge is None else edge)
    return torch.log1p(near) - torch.log1p(-near)


def add(x: Tensor, y: Tensor) -> Tensor:
    """Return the Mobius sum of points (..., d): where y is once the middle has been moved to x."""
    xy, xx, yy = (x * y).sum(-1, keepdim=True), x.square().sum(-1, keepdim=True), y.square().sum(-1, keepdim=True)
    return ((1 + 2 * xy + yy) * x + (1 - xx) * y) / (1 + 2 * xy + xx * yy)


def move(x: Tensor, u: Tensor) -> Tensor:
    """Return the point that a vector u (..., d) at x leads to, exp_x(u)."""
    return add(x, from_middle(u))


def toward(x: Tensor, z: Tensor) -> Tensor:
    """Return the vector at x that leads to z (..., d), log_x(z)."""
    return to_middle(add(-x, z))


def inside(z: Tensor) -> Tensor:
    """Return the point of the ball on the ray of z (..., d), at most at distance 12 from the middle; such stay as they are."""
    r = length(exact(z))
    far = r > EDGE + _ROUNDING * torch.finfo(z.dtype).eps
    return torch.where(far, (exact(z) * (EDGE / r)).to(z.dtype), z)


def log_growth(r: Tensor) -> Tensor:
    """Return log(sinh(r) / r) for r >= 0: by how much more space there is at distance r than in flat space, per dimension."""
    r = r.clamp_min(1e-7)
    twice = -2 * r
    return r + torch.log(torch.expm1(twice) / twice)
