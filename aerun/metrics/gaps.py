"""Rows with missing elements, scored over the elements that are there."""

from collections.abc import Callable, Iterator

from torch import Tensor


def patterns(seen: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield for each way in which rows of seen (n, D) have gaps which rows these are, and which elements they have, (D,).

    Rows without gaps are in none.
    """
    rows = (~seen).any(1).nonzero().flatten()
    ways, which = seen[rows].unique(dim=0, return_inverse=True)
    for i, there in enumerate(ways):
        yield rows[which == i], there


def over_seen(distance: Tensor, seen: Tensor | None, part: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return distances (n,) of which those of rows with gaps are taken over seen elements alone: D / |seen| times `part`.

    seen: (n, D), or None where nothing is missing. part: from row numbers and seen elements (D,) to squared distances over
    these elements. 0 where no element is seen. Imputed elements would make rows near to or far from others by what fills them.
    """
    if seen is None:
        return distance
    whole = distance.clone()
    for rows, there in patterns(seen):
        count = int(there.sum())
        whole[rows] = part(rows, there).to(whole) * (len(there) / count) if count else 0.0
    return whole
