"""What a decoder of one affine map makes of each unit: its atom, the nearest others, and what they add to another output."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize

from aerun.core.errors import AerunError
from aerun.formats.arrays import read_array
from aerun.formats.text_lines import lines_of
from aerun.inference.exhibits import thumbnail
from aerun.inference.model import Model

_NEAREST, _ELEMENTS, _WORDS = 5, 6, 10
_AT_ONCE = 64  # units whose cosines and logits are in memory together


class Atoms:
    """The atoms (d, D) of a model, in the units of the data where these are an affine map away.

    missing: why there are none, in words; then it is empty.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.missing = model, _missing(model)
        self.rows = torch.empty(0, 0)
        self.own = False
        if not self.missing:
            weights = model.autoencoder.decoder_weights()[0].detach().t().float().cpu()
            self.units = normalize(weights, dim=1)
            self.rows, self.own = _own_units(model, weights)

    def nearest(self, units: Sequence[int]) -> list[list[tuple[int, float]]]:
        """Return the nearest other atoms of each unit, with their cosines, the nearest first."""
        answers = []
        for part in _parts(units):
            cosines = self.units[part] @ self.units.t()
            cosines[torch.arange(len(part)), part] = -torch.inf
            best = cosines.topk(min(_NEAREST, len(self.units) - 1), 1)
            answers += [list(zip(i, v, strict=True)) for i, v in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
        return answers

    def described(self, unit: int) -> dict[str, Any]:
        """Return the norm of a unit's atom, its elements that are furthest from 0, and of images a picture."""
        atom, facts = self.rows[unit], self.model.facts
        if facts.kind == "image" and self.own:
            most = float(atom.abs().max()) or 1.0
            return {
                "norm": float(atom.norm()),
                "picture": thumbnail(atom.reshape(facts.stored).numpy(), {"low": -most, "high": most}),
            }
        places = atom.abs().argsort(descending=True, stable=True)[:_ELEMENTS].tolist()
        names = [f.name for f in self.model.form.features] if self.own else []
        named = [(names[i] if i < len(names) else str(i + 1), float(atom[i])) for i in places]
        return {"norm": float(atom.norm()), "elements": named}


def _missing(model: Model) -> str:
    arch, loss, raw = model.autoencoder.arch, model.autoencoder.loss, torch.linspace(-9, 9, 7)
    if len(model.autoencoder.decoder_weights()) != 1 or arch.grid:
        return "the decoder is no single affine map, whose columns would be atoms (model/arch=linear)"
    if loss.heads != 1 or not torch.equal(loss.activate(raw), raw):
        return "reconstructions are no sum of atoms, as they are with model/loss=mse and model.loss.activation=linear"
    return ""


@torch.no_grad()
def _own_units(model: Model, weights: Tensor) -> tuple[Tensor, bool]:
    """Return the atoms (d, D) in the data's own units where the preparation is affine, and whether it is."""
    preparation, facts = model.autoencoder.preparation, model.facts
    device = model.device

    def inverse(x: Tensor) -> Tensor:
        back: Tensor = preparation.inverse(x.reshape(-1, *facts.shape).to(device)).flatten(1).cpu() * facts.unit
        return back

    zero = inverse(torch.zeros(1, facts.size))
    if facts.size != weights.shape[1] or zero.shape[1] != facts.size:
        return weights, False
    probe = inverse(torch.stack([weights[0], -weights[0]]))
    if not torch.allclose(probe.mean(0), zero[0], rtol=1e-3, atol=1e-5 * float(probe.abs().max())):
        return weights, False
    return torch.cat([inverse(part) - zero for part in weights.split(1024)]), True


class Outputs:
    """A matrix (D, V) through which atoms say what they add to V outputs, such as logits of tokens. words: their names."""

    def __init__(self, file: str, vocabulary: str | None, atoms: Atoms) -> None:
        if atoms.missing:
            raise AerunError(f"--logits {file}: this run has no atoms: {atoms.missing}.")
        self.matrix = read_array("--logits", Path(file).expanduser(), None)
        shape, size = self.matrix.shape, atoms.rows.shape[1]
        if len(shape) != 2 or shape[0] != size:
            turned = " It is (V, D): save its transpose." if len(shape) == 2 and shape[1] == size else ""
            raise AerunError(
                f"--logits {file}: an array {shape}; atoms have {size} numbers, so that it is ({size}, V).{turned}"
            )
        self.atoms, self.words = atoms, None if vocabulary is None else _vocabulary(vocabulary, shape[1])

    def of(self, units: Sequence[int]) -> list[dict[str, list[tuple[str, float]]]]:
        """Return the outputs that each unit raises most, and those that it lowers most."""
        matrix: NDArray[Any] = np.asarray(self.matrix, dtype=np.float32)
        answers = []
        for part in _parts(units):
            logits = self.atoms.rows[part] @ torch.from_numpy(matrix)
            if not bool(logits.isfinite().all()):
                raise AerunError("--logits: the matrix holds values that are missing or infinite.")
            count = min(_WORDS, logits.shape[1])
            both = (logits.topk(count, 1), logits.topk(count, 1, largest=False))
            for high, low in zip(*(zip(b.indices.tolist(), b.values.tolist(), strict=True) for b in both), strict=True):
                answers.append({"raised": self._named(*high), "lowered": self._named(*low)})
        return answers

    def _named(self, places: list[int], values: list[float]) -> list[tuple[str, float]]:
        return [(str(i) if self.words is None else self.words[i], v) for i, v in zip(places, values, strict=True)]


def _vocabulary(name: str, count: int) -> list[str]:
    path = Path(name).expanduser()
    if not path.is_file():
        raise AerunError(f"--vocabulary {name}: there is no such file.")
    words = [line.rstrip("\r\n") for line in lines_of(path, "utf-8")]
    if len(words) != count:
        raise AerunError(f"--vocabulary {name}: holds {len(words):,} lines, and the matrix of --logits {count:,} columns.")
    return words


def _parts(units: Sequence[int]) -> list[list[int]]:
    return [list(units[i : i + _AT_ONCE]) for i in range(0, len(units), _AT_ONCE)]
