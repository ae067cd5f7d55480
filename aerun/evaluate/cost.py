"""What reconstructions of activations cost the network behind them, end to end."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aerun.trained import Trained


@dataclass
class Cost:
    """Cross-entropies of what stands behind: on activations, on their reconstructions and on zeros, summed over samples.

    y: labels of all samples in order; None: the network's own answers on the activations stand for them.
    """

    trained: Trained
    behind: Any  # the term with the layers behind
    y: Tensor | None
    n: int = 0
    sums: Tensor | None = None

    def add(self, x: Tensor, x_hat: Tensor) -> None:
        """Count a batch of samples and their reconstructions, (B, D), in the units the model works in."""
        own, source = self.trained.autoencoder.preparation.inverse, self.behind.source
        truth = own(x)[:, source:]
        logs = [self.behind.logits(v) for v in (truth, own(x_hat)[:, source:], torch.zeros_like(truth))]
        if self.y is None:
            each = [-(logs[0].exp() * log).double().sum() for log in logs]
        else:
            right = self.y[self.n : self.n + len(x)].to(x.device)[:, None].long()
            each = [-log.gather(1, right).double().sum() for log in logs]
        self.n += len(x)
        now = torch.stack(each).cpu()
        self.sums = now if self.sums is None else self.sums + now

    def figures(self) -> dict[str, float]:
        """Return ce, ce_added, and recovered where zeros are worse than the activations."""
        assert self.sums is not None
        true, found, zero = (self.sums / self.n).tolist()
        share = {"recovered": (zero - found) / (zero - true)} if zero > true else {}
        return {"ce": true, "ce_added": found - true, **share}


def cost_of(trained: Trained) -> Cost | None:
    """Return what counts the cost on test samples; None where nothing stands behind the activations."""
    terms: list[Any] = [t.regularizer for t in trained.autoencoder.terms.values() if t.regularizer.borrowed_as == "head"]
    if not terms:
        return None
    y, behind = trained.data.test.y, terms[0]
    told = y is not None and trained.dataset.facts().classes == behind.classes
    return Cost(trained, behind, y if told else None)
