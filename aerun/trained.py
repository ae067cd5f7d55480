"""A trained model, and the data that it was trained on where they are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.build import dataset_of, model_of
from aerun.dataset.base import Data, Dataset, Split
from aerun.errors import AerunError
from aerun.facts import Facts, facts_from
from aerun.folder import Folder
from aerun.preparation.base import Preparation
from aerun.preparation.stored import restored
from aerun.trainer.batches import rows_that_fit

TRUSTED = ("aerun", "torch.optim")  # the modules whose classes a stranger's folder may name


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


def load(path: Path, weights: str = "best", trusted: Sequence[str] | None = TRUSTED) -> Trained:
    """The model that a run left in its folder `path`, with its `best` or `last` weights; no data are read.

    Only classes of the modules `trusted` are built (None: any), and of files only plain data are read. AerunError where the
    folder is not a run's, or is damaged.
    """
    folder = Folder(path)
    cfg = folder.config()
    try:
        dataset = dataset_of(cfg, trusted)
        facts, preparation = _known(folder) or (dataset.facts(), dataset.preparation())
        autoencoder, _ = model_of(cfg, facts, preparation, trusted)
        seed = int(cfg["seed"])
    except (KeyError, TypeError, ValueError) as e:
        raise AerunError(f"{path}: damaged: {type(e).__name__} {e} in its config.yaml or facts.json.") from e
    _fill(autoencoder, path / "checkpoints" / f"{weights}.ckpt")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Trained(autoencoder.to(device).eval(), dataset, device, seed)


def _known(folder: Folder) -> tuple[Facts, Preparation] | None:
    """What the run wrote down of its data; None where it did not, or could not."""
    found = folder.read("facts.json")
    if not found.get("preparation"):
        return None
    return facts_from(found["facts"]), restored(found["preparation"])


def _fill(autoencoder: Autoencoder, path: Path) -> None:
    """Read the weights. AerunError where they are missing, damaged, or another model's."""
    if not path.is_file():
        raise AerunError(f"{path}: there are no such weights: the run was stopped before it wrote any.")
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
        autoencoder.load_state_dict({k.removeprefix("autoencoder."): v for k, v in state.items()})
    except AerunError:
        raise
    except Exception as e:
        raise AerunError(f"{path}: cannot be read as this run's weights: {_line(e)}") from e


def _line(e: Exception) -> str:
    return (str(e) or type(e).__name__).splitlines()[0]
