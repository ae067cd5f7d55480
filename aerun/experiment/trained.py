"""A trained model with its data, as measures are given it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.build import Config, build
from aerun.dataset.base import Data, Dataset, Split
from aerun.errors import AerunError
from aerun.trainer.batches import rows_that_fit


@dataclass(frozen=True)
class Trained:
    """The weights of a run, in evaluation mode on `device`; `seed` is the run's."""

    autoencoder: Autoencoder
    dataset: Dataset
    device: torch.device
    seed: int

    @cached_property
    def data(self) -> Data:
        """The data set's three splits, read when they are first asked for."""
        return self.dataset.load()

    def batches(self, split: Split, rows: int | None = None) -> Iterator[Tensor]:
        """Samples (B, *S) in the units the model works in."""
        return (x for x, _ in self.valid_batches(split, rows))

    def valid_batches(self, split: Split, rows: int | None = None) -> Iterator[tuple[Tensor, Tensor | None]]:
        """The same with what is real of them, (B, T), where samples have lengths of their own."""
        model = self.autoencoder
        for stored in split.x.to(self.device).split(rows or rows_that_fit(model.facts.size)):
            yield model.units(stored).to(next(model.arch.parameters()).dtype), model.facts.valid(stored)

    def samples(self, split: Split) -> Tensor:
        """All of them, (n, *S)."""
        return torch.cat(list(self.batches(split)))

    @torch.no_grad()
    def codes(self, split: Split) -> Tensor:
        """Deterministic codes of clean samples, (n, d)."""
        return torch.cat([self.autoencoder.encode(x, valid=valid).flatten(1) for x, valid in self.valid_batches(split)])


def load(cfg: Config, folder: Path, weights: str) -> Trained:
    """The model that a complete run of `cfg` left in its folder, with its `best` or `last` weights.

    AerunError where its checkpoint is missing or damaged.
    """
    plan = build(cfg)
    path = folder / "checkpoints" / f"{weights}.ckpt"
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
        plan.autoencoder.load_state_dict({k.removeprefix("autoencoder."): v for k, v in state.items()})
    except Exception as e:
        raise AerunError(f"{path}: cannot be read as this run's weights: {e}. --fresh trains it again.") from e
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Trained(plan.autoencoder.to(device).eval(), plan.dataset, device, plan.seed)
