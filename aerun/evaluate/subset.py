"""Which samples stand for a split that is too large to be compared pair by pair."""

import torch

from aerun.core.errors import AerunError
from aerun.dataset.splits import Split

_SEED = 20062  # the draw belongs to the data set, not to the run: every model is judged on the same samples
_NUMBERS = 100_000_000  # numbers that the samples may hold together: 400 MB


def refuse_few(count: int, least: int, what: str, purpose: str) -> None:
    """Raise AerunError where there are fewer samples than a statistic needs."""
    if count < least:
        raise AerunError(f"{count} {what} sample{'s'[: count != 1]}, and {purpose} needs {least} at least.")


def subsample(split: Split, most: int, size: int = 1) -> Split:
    """Return at most `most` samples of `size` numbers each, drawn without replacement, always the same ones.

    There are fewer where they would hold more than 10^8 numbers. The order is random also where all are taken: ties between
    samples then mean nothing.
    """
    count = max(1, min(most, _NUMBERS // max(1, size)))
    return split.take(torch.randperm(len(split), generator=torch.Generator().manual_seed(_SEED))[:count])
