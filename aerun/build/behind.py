"""What stands behind activations, in files: the layers that go on from them, or a matrix of what errors change there."""

from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.formats.arrays import read_array
from aerun.regularizer.stack import INPUT, TAP
from aerun.runs.plain import line_of

Found = tuple[list[str], dict[str, Tensor]]


def head_of(source: Path, facts: Facts, activation: str) -> Found:
    """Return affine maps of a state_dict in words, `activation` between those whose numbers leave one out, and their weights.

    Raises AerunError for a file of something else, and for maps that do not follow on each other or on the activations.
    """
    state = _loaded(source)
    maps = _maps(state)
    words, weights = [f"{INPUT} {_width(facts)}"], dict[str, Tensor]()
    weights |= {"centre": torch.zeros(_width(facts)), "scale": torch.ones(_width(facts))}
    width, last = _width(facts), maps[0]
    for number in maps:
        weight, bias = state[f"{number}.weight"].float(), state.get(f"{number}.bias")
        if number - last > 1:
            words.append(activation)
        if weight.ndim != 2 or weight.shape[1] != width:
            raise AerunError(f"{number}.weight of shape {tuple(weight.shape)}: the layer reads {width} numbers there.")
        width, last, place = len(weight), number, len(words) - 1
        words.append(f"linear {weight.shape[1]} {width}")
        weights[f"layers.{place}.weight"] = weight
        weights[f"layers.{place}.bias"] = torch.zeros(width) if bias is None else bias.float()
    if width < 2:
        raise AerunError(f"its layers end in {width} number: logits of two classes at least are compared.")
    if not all(bool(v.isfinite().all()) for v in weights.values()):
        raise AerunError("holds weights that are missing or infinite.")
    return [*words, TAP], weights


def matrix_of(source: Path, facts: Facts) -> Found:
    """Return the size of a file's matrix in words, and the matrix. AerunError for one of another size, or of odd values."""
    suffix = source.suffix.lower()
    found: Any = torch.from_numpy(read_array("features", source, None).copy()) if suffix == ".npy" else tensors_of(source)
    width = _width(facts)
    if not isinstance(found, Tensor) or tuple(found.shape) != (width, width):
        shape = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise AerunError(f"holds {shape}, and errors of {width} numbers are weighted by ({width}, {width}).")
    if not bool(found.isfinite().all()):
        raise AerunError("holds values that are missing or infinite.")
    return [f"matrix {width}"], {"matrix": found.float()}


def _width(facts: Facts) -> int:
    return facts.size - facts.source


def tensors_of(source: Path, words: str = "tensors alone", instead: str = "") -> Any:
    """Return what a file of torch.save holds, of which only tensors are read. AerunError in `words` where it is none."""
    try:
        return torch.load(source, map_location="cpu", weights_only=True)
    except Exception as e:  # a file that is none of weights ends in errors of many kinds; torch's own advises to run its code
        why = "" if isinstance(e, UnpicklingError) else f" ({line_of(e)})"
        raise AerunError(f"is not read as {words}{why}.{instead}") from e


def _loaded(source: Path) -> Mapping[str, Tensor]:
    state = tensors_of(source)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise AerunError(f"holds no state_dict but {type(state).__name__}.")
    return state


def _maps(state: Mapping[str, Tensor]) -> list[int]:
    """Return the numbers of the affine maps, in order. AerunError where there is anything else."""
    names = [name.partition(".") for name in state]
    odd = [".".join((n, rest)) for n, _, rest in names if not n.isdecimal() or rest not in ("weight", "bias")]
    numbers = sorted({int(n) for n, _, rest in names if n.isdecimal() and rest == "weight"})
    if odd or not numbers:
        what = odd[0] if odd else "no weights"
        raise AerunError(f"holds {what}: a Sequential of affine maps has 0.weight, 0.bias, 2.weight and so on.")
    return numbers
