"""Judges: what else than its error says how unusual a sample is to a trained model.

A judge is fitted to training samples once, and from then on needs the model alone.
"""

import torch
from torch import Tensor

from aerun.dataset.splits import Split
from aerun.evaluate.judges.base import Judge
from aerun.evaluate.judges.codes import CodeKnn, CodeMixture
from aerun.evaluate.judges.likelihood import Expected, Probability
from aerun.evaluate.judges.novelty import Novelty
from aerun.trained import Trained

__all__ = ["JUDGES", "Judge", "judged"]

JUDGES: dict[str, type[Judge]] = {
    "code_knn": CodeKnn,
    "code_mixture": CodeMixture,
    "probability": Probability,
    "expected": Expected,
    "novelty": Novelty,
}


@torch.no_grad()
def judged(judge: Judge, trained: Trained, split: Split) -> Tensor:
    """Return the scores of a split's samples, (n,), 64-bit."""
    return torch.cat([judge(trained.exact, stored).double() for stored in trained.exact_batches(split)])
