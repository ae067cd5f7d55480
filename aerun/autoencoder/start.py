"""What is learned before the first step: means, scales, and what parts begin with."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from aerun.autoencoder.passes import Passes
from aerun.core.facts import valid_weight
from aerun.dataset.storage.mapped import sample_rows

_ELEMENTS = 1_000_000  # of samples that are widened at a time
_CODES = 20_000  # that a prior is started from


class Start(Passes):
    """What the parts learn from the training samples before the first step."""

    @torch.no_grad()
    def start_from(self, stored: Tensor) -> None:
        """Learn from the stored training samples what the parts begin with, the prior last: it may read codes."""
        self.start_parts(stored)
        self.bottleneck.prepare(len(stored), partial(self._some_features, stored))
        if self.prior is not None:
            self.prior.prepare(len(stored), partial(self._samples, stored), partial(self._codes, stored))
        for term in self.terms.values():
            if term.regularizer.reads_codes or term.regularizer.places_codes:
                term.regularizer.start_from(self._codes(stored))

    def start_parts(self, stored: Tensor) -> None:
        """Centre the encoder on the mean of the stored training samples and start the output there."""
        if self.facts.prepared_from is not None:
            self.preparation.fit(self.facts.units(sample_rows(stored)))
        if self.preparation.told is not None:
            self.preparation.told.fit(torch.cat([self.facts.conditions(part) for part in stored.split(self._rows)]))
        total = count = torch.zeros(self.facts.shape, dtype=torch.float64)
        for part in stored.split(self._rows):
            x = self.units(part).double()
            weight = torch.full_like(x, 1) * valid_weight(self.facts.valid(part), x, self.offered_seen(part))
            total, count = total + (x * weight).sum(0), count + weight.sum(0)
        mean = (total / count.clamp_min(1)).to(next(self.arch.parameters()))
        self.loss.prepare(partial(self._samples, stored))
        self.arch.start_from(mean, self.loss.deactivate(mean))
        self.arch.prepare(partial(self._samples, stored))
        c = self.known(stored)
        for term in self.terms.values():
            term.regularizer.setup(len(stored))
            if c is not None:
                term.regularizer.setup_known(c)

    @torch.no_grad()
    def finish(self, stored: Tensor) -> dict[str, float]:
        """Let the code learn from all stored training samples what it can once the weights are; see `Bottleneck.finish`."""
        return self.bottleneck.finish(partial(self._features, stored))

    def _features(self, stored: Tensor) -> Iterator[Tensor]:
        """Yield what the encoder makes of stored samples, (B, F, *grid)."""
        device = next(self.arch.parameters()).device
        for part in stored.split(self._rows):
            here = part.to(device)
            yield self.features(self.units(here).to(next(self.arch.parameters())), **self.beside(here))

    @property
    def _rows(self) -> int:
        """Return how many samples are widened at a time."""
        return max(1, min(8192, _ELEMENTS // self.facts.size))

    def _samples(self, stored: Tensor) -> Iterator[Tensor]:
        """Yield stored samples in the units and the type that the model works in."""
        like = next(self.arch.parameters())
        return (self.units(part).to(like) for part in stored.split(self._rows))

    def _some_features(self, stored: Tensor, n: int) -> Tensor:
        """Return what the encoder makes of n random samples (at most 20,000), (n, F, *grid)."""
        stored, like = _drawn(stored, min(n, _CODES)), next(self.arch.parameters())
        return torch.cat([self.features(self.units(p).to(like), **self.beside(p)) for p in stored.split(self._rows)])

    def _codes(self, stored: Tensor) -> Tensor:
        """Return a draw of the code of each of at most 20,000 random samples, (n, d, *grid)."""
        stored, like = _drawn(stored, _CODES), next(self.arch.parameters())
        return torch.cat([self.clean_pass(self.units(p).to(like), **self.beside(p))["z"] for p in stored.split(self._rows)])


def _drawn(stored: Tensor, n: int) -> Tensor:
    """Return n random samples of the stored ones in their order, always the same."""
    order = torch.randperm(len(stored), generator=torch.Generator().manual_seed(0))[:n].sort().values
    return stored.index_select(0, order.to(stored.device))
