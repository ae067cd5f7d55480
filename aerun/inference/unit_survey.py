"""`aerun features`: what each unit of a run's codes is on for, in one pass over files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.inference.activation_rows import StoreRows, is_store, store_rows
from aerun.inference.atoms import Atoms, Outputs
from aerun.inference.exhibits import Exhibit, exhibit
from aerun.inference.model import Model
from aerun.inference.reading import Piece, Reader
from aerun.inference.unit_tally import Tally

DEFAULT = 256  # units whose samples are kept unless others are asked for
_NUMBERS = 1 << 22  # of codes that are in memory together


@dataclass
class Survey:
    """Units of a model: what is counted of all of them, and the samples of those in `shown`."""

    model: Model
    tally: Tally
    exhibits: dict[int, Exhibit] = field(default_factory=dict)

    @classmethod
    def of(cls, model: Model, shown: Sequence[int], top: int) -> "Survey":
        """Return an empty one. AerunError for units that codes do not have."""
        units = model.code_shape[0]
        for unit in shown:
            if not 0 <= unit < units:
                raise AerunError(f"--units {unit}: the codes of this run have {units:,} units, numbered from 0 to {units - 1}.")
        return cls(model, Tally(units, shown, top))

    def add(self, stored: Tensor, model: Model, show: Callable[[int], Exhibit]) -> None:
        """Take stored samples; show: what is shown of a row of them. model: told what is known of these samples."""
        rows = max(1, _NUMBERS // max(1, self.model.autoencoder.code_elements))
        for begin in range(0, len(stored), rows):
            first = self.tally.n
            new = self.tally.add(flat(model.codes_of(stored[begin : begin + rows])))
            self.exhibits |= {row: show(begin + row - first) for row in new}
            if len(self.exhibits) > 2 * self._most:
                self._forget()
        self._forget()

    @property
    def _most(self) -> int:
        return self.tally.top.rows.numel() + self.tally.spread.rows.numel()

    def _forget(self) -> None:
        kept = self.tally.kept().tolist()
        self.exhibits = {row: self.exhibits[row] for row in kept}

    def answer(self, atoms: Atoms, outputs: Outputs | None) -> dict[str, Any]:
        """Return everything as plain data: `samples` by their numbers, and `units`."""
        tally, shown = self.tally, self.tally.shown.tolist()
        figures = zip(tally.density.tolist(), tally.mean.tolist(), tally.highest.tolist(), strict=True)
        units = [
            {"unit": i, "density": density, **({"mean": mean, "largest": high} if density else {})}
            for i, (density, mean, high) in enumerate(figures)
        ]
        near = [] if atoms.missing else atoms.nearest(shown)
        logits = [] if outputs is None else outputs.of(shown)
        used = set[int]()
        for place, unit in enumerate(shown):
            top, quantiles = list(zip(*tally.top.of(place), strict=True)), tally.quantiles(place)
            used |= {row for row, _ in top} | {row for _, row, _ in quantiles}
            units[unit] |= {"top": top, "quantiles": quantiles}
            if near:
                units[unit] |= {"atom": atoms.described(unit), "nearest": near[place]}
            if logits:
                units[unit] |= {"logits": logits[place]}
        return {
            "model": self.model.name,
            "run": self.model.folder.path.name,
            "samples_read": tally.n,
            "l0": float(tally.on.sum()) / max(1, tally.n),
            "never_on": int((tally.on == 0).sum()),
            "atoms": atoms.missing or ("in units of the data" if atoms.own else "in units of the model"),
            "places": len(self.model.code_shape) > 1,
            "samples": {str(row): self.exhibits[row] for row in sorted(used)},
            "units": units,
        }


def flat(z: Tensor) -> Tensor:
    """Return codes (n, d, *grid) as (n, d): of several places the value that is furthest from 0."""
    if z.ndim == 2:
        return z.float()
    places = z.float().flatten(2)
    return places.gather(2, places.abs().argmax(2, keepdim=True)).squeeze(2)


Told = Callable[[Model, Mapping[str, Any]], Model]


def survey(
    model: Model, files: Sequence[str], reader: Reader, shown: Sequence[int], top: int, words: str | None, told: Told
) -> Survey:
    """Return the survey of the files' samples, which are read once, piece by piece.

    told: the model, told what a piece's file says of its samples.
    """
    found = Survey.of(model, shown, top)
    if is_store(model.config):
        for part in store_rows(model.config, files, reader.rows, words):
            _take(found, part, part.exhibit, model)
        return found
    if words is not None:
        raise AerunError(f"--words {words}: is for runs on stores of activations (dataset=activations).")
    for piece in reader.pieces(files):
        own = told(model, piece.told)
        try:
            _take(found, piece, _shows(model, piece), own)
        except AerunError as e:
            where = piece.file if piece.first == 1 else f"{piece.file}, from sample {piece.first} on"
            raise AerunError(f"{where}: {e}" if not str(e).startswith(piece.file) else str(e)) from e
    return found


def _take(found: Survey, piece: Piece | StoreRows, show: Callable[[int], Exhibit], model: Model) -> None:
    with torch.inference_mode():
        found.add(model.form.to_stored(piece.x)[0], model, show)


def _shows(model: Model, piece: Piece) -> Callable[[int], Exhibit]:
    return lambda row: exhibit(model, piece, row)
