"""Ways from one vector to another."""

import torch
from torch import Tensor


def straight(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return (1 - t) a + t b, (len(t), *a.shape)."""
    return torch.lerp(a[None], b[None], t.view(-1, *[1] * a.ndim))


def circle(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return (sin((1 - t) w) a + sin(t w) b) / sin w, w the angle between a and b.

    The straight line where that is next to 0 or pi.
    """
    w = torch.acos(((a * b).sum() / (a.norm() * b.norm()).clamp_min(1e-12)).clamp(-1, 1))
    if w.sin() < 1e-3:
        return straight(a, b, t)
    t = t.view(-1, *[1] * a.ndim)
    return (torch.sin((1 - t) * w) * a + torch.sin(t * w) * b) / w.sin()
