"""A value of a given rank among more numbers than fit into memory, in two passes over them."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_LOW = 1 << 16


def nth_largest(values: Callable[[], Iterator[Tensor]], n: int) -> float:
    """Return the n-th largest positive value, to 32 bits; 0 where fewer are positive. values: all of them, twice.

    The bits of positive floats, read as whole numbers, have their order: the first pass counts the upper 16 bits, the second
    the lower ones among those whose upper bits are the rank's.
    """
    upper, rank = _place(_counted(values, lambda bits: bits >> 16), n)
    if rank is None:
        return 0.0
    lower, _ = _place(_counted(values, lambda bits: bits[bits >> 16 == upper] & (_LOW - 1)), rank)
    return float(torch.tensor([upper << 16 | lower], dtype=torch.int32).view(torch.float32))


def _counted(values: Callable[[], Iterator[Tensor]], part: Callable[[Tensor], Tensor]) -> Tensor:
    """Return how often each of 65,536 numbers occurs, which are a part of the bits of positive values."""
    counts = torch.zeros(_LOW, dtype=torch.long)
    for each in values():
        bits = each[each > 0].float().view(torch.int32)
        counts += torch.bincount(part(bits).long(), minlength=_LOW).cpu()
    return counts


def _place(counts: Tensor, n: int) -> tuple[int, int | None]:
    """Return the number that holds the n-th largest, and its rank among those that are the same; None where there are fewer."""
    above = counts.flip(0).cumsum(0).flip(0)  # how many are at least this number
    if n > int(above[0]):
        return 0, None
    number = int((above >= n).nonzero()[-1])
    return number, n - int(above[number] - counts[number])
