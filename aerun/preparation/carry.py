"""What stands for values of a sequence that were not recorded."""

import torch
from torch import Tensor


def carried(x: Tensor, seen: Tensor, start: Tensor) -> Tensor:
    """Return x (B, T, F) where it is seen, else the last value seen before, and `start` before the first one.

    The step of the last value is found in rounds that look twice as far each, which every export has an operation for.
    """
    steps = torch.arange(x.shape[1], device=x.device)[:, None]
    last, reach = torch.where(seen, steps, -1), 1
    while reach < x.shape[1]:
        before = torch.cat([torch.full_like(last[:, :reach], -1), last[:, :-reach]], 1)
        last, reach = torch.maximum(last, before), 2 * reach
    return torch.where(last >= 0, x.gather(1, last.clamp_min(0)), start.expand_as(x))
