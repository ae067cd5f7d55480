"""What a model is told of each sample beside its values: classes, sites, operating points."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from aerun.core.errors import AerunError
from aerun.preparation.feature import Feature, as_bytes, features_of, places
from aerun.preparation.statistics import centre_and_spread, factor


class Conditions(nn.Module):
    """Conditions (B, columns), as `Feature` stores them, -> c (B, m): what is known of samples beforehand.

    Numbers and dates: (v - mean) / deviation of the training samples; categories: one element a word. nullable: a further
    element is 1 where nothing is known, and all others are then 0; a row is of that kind as soon as one of its values is
    missing or a word that no training sample has. drop: the share of training samples of which the model is told nothing; 1:
    it is told nothing at all. encoder, decoder: whether each is told; with neither only terms of the objective are, see `read`.
    """

    numeric: Tensor  # (N,) places of numbers and dates
    asked: Tensor  # (K,) place of the column that each one-hot element asks
    word: Tensor  # (K,) and for which word
    sizes: Tensor  # (columns,) words of each category
    centre: Tensor  # (N,)
    nothing: Tensor  # (m,) c of a sample of which nothing is known
    rate: Tensor  # (N,) 1 / deviation, and 0 for a constant

    def __init__(
        self, *, features: Sequence[Feature], drop: float, nullable: bool, encoder: bool, decoder: bool = True
    ) -> None:
        super().__init__()
        self.features, self.drop, self.nullable = tuple(features), drop, nullable
        self.encoder, self.decoder = encoder, decoder
        numeric, asked, word = places(self.features)
        for name, at in (("numeric", numeric), ("asked", asked), ("word", word)):
            self.register_buffer(name, torch.tensor(at, dtype=torch.long), persistent=False)
        most = [len(f.words) if f.kind == "category" else 0 for f in self.features]
        self.register_buffer("sizes", torch.tensor(most), persistent=False)
        nothing = torch.zeros(len(numeric) + len(asked) + nullable)
        nothing[-1] = nullable
        self.register_buffer("nothing", nothing, persistent=False)
        self.register_buffer("centre", torch.zeros(len(numeric)))
        self.register_buffer("rate", torch.ones(len(numeric)))

    @property
    def whom(self) -> str:
        """Return who is told, as `dataset.condition_to` names it."""
        return "both" if self.encoder else "decoder" if self.decoder else "terms"

    @property
    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given, as plain data."""
        features = [asdict(f) for f in self.features]
        told = {"encoder": self.encoder, "decoder": self.decoder}
        return {"features": features, "drop": self.drop, "nullable": self.nullable, **told}

    @property
    def read(self) -> bool:
        """Return whether a pass through the model reads c; otherwise only terms of training do, and nobody is asked for it."""
        return self.encoder or self.decoder

    @property
    def size(self) -> int:
        """Return m, the number of elements of c."""
        return len(self.numeric) + len(self.asked) + self.nullable

    @property
    def names(self) -> str:
        """Return the names of what is told, for people."""
        return ", ".join(f.name for f in self.features)

    def get_extra_state(self) -> Tensor:
        """Return what is told as JSON in bytes (uint8)."""
        return as_bytes(self.features)

    def set_extra_state(self, state: Tensor) -> None:
        """Raise AerunError where a checkpoint was trained on other conditions than these."""
        then = features_of(state)
        if then != self.features:
            there = ", ".join(f.name + (f" of {len(f.words)} classes" if f.words else "") for f in then)
            raise AerunError(f"what the model is told has changed since training: then it was told {there}.")

    def fit(self, values: Tensor) -> None:
        """Learn the scale of numbers from the conditions (n, columns) of the training samples."""
        known = values[~self.unknown(values)]
        scales = [centre_and_spread(known[:, i].cpu(), "standardize") for i in self.numeric.tolist()]
        if scales:
            centre, spread = torch.tensor(scales, dtype=torch.float64).unbind(1)
            self.centre.copy_(centre)
            self.rate.copy_(factor(spread))

    def unknown(self, values: Tensor) -> Tensor:
        """Return of which samples (B,) something is missing, or is a word that no training sample has."""
        category = self.sizes > 0
        return ((~values.isfinite()) | (category & ((values < 0) | (values >= self.sizes)))).any(1)

    def forward(self, values: Tensor) -> Tensor:
        numbers = (values.index_select(1, self.numeric) - self.centre) * self.rate
        hot = (values.index_select(1, self.asked) == self.word).to(numbers.dtype)
        c = torch.cat([numbers, hot], 1)
        if not self.nullable:
            return c
        unknown = self.unknown(values)[:, None] | (self.drop == 1)
        return torch.cat([c.masked_fill(unknown, 0), unknown.to(c.dtype)], 1)

    def null(self, n: int, like: Tensor) -> Tensor:
        """Return c (n, m) of samples of which nothing is known. AerunError where training left none out."""
        if not self.nullable:
            raise AerunError(
                f"this model was told {self.names} of every sample in training, and has to be told it: there is no answer "
                "without (dataset.condition_drop=0.1 would teach it one)."
            )
        return self.nothing.to(like).expand(n, -1)

    def dropped(self, c: Tensor) -> Tensor:
        """Return c (B, m) with a random share `drop` of the rows null, as in training."""
        if not self.drop:
            return c
        return torch.where(torch.rand_like(c[:, :1]) < self.drop, self.nothing.to(c), c)
