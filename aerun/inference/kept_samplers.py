"""Samplers that were fitted once, in a run's folder: `sampler_NAME.npz`."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.seeding import own_draws
from aerun.evaluate.samplers import CODE_PRIORS, FITS, OfNumbers, Sampler, positions
from aerun.inference.fingerprint import fingerprint
from aerun.inference.runner import Runner
from aerun.runs import files, plain

log = logging.getLogger("aerun")

_KEPT = ("mixture", "flow", "second_stage", *CODE_PRIORS)  # gaussian is in codes.npz; aggregate is as large as the data
_OWN = ("model", "low", "high")  # arrays beside those of the density


def kept_sampler(runner: Runner, name: str) -> Sampler | OfNumbers | None:
    """Return the sampler that the folder holds for this model, or None: there is none, or it is of other weights.

    Raises AerunError for a damaged file.
    """
    file = _file(name)
    if name not in _KEPT or not files.exists(runner.folder.path, file):
        return None
    arrays = {k: torch.from_numpy(v) for k, v in plain.arrays(runner.folder.path, file).items()}
    try:
        if bytes(arrays["model"].to(torch.uint8).numpy()).decode() != fingerprint(runner):
            return None
        if not all(bool(torch.isfinite(v).all()) for k, v in arrays.items() if k not in _OWN):
            raise ValueError("it holds values that are not finite")
        return _numbers(runner, name, arrays) if name in CODE_PRIORS else _density(runner, name, arrays)
    except (LookupError, TypeError, ValueError, RuntimeError) as e:
        raise AerunError(f"{runner.folder.path / file}: damaged: {plain.line_of(e)}. Remove it to fit it again.") from e


def _density(runner: Runner, name: str, arrays: Mapping[str, Tensor]) -> Sampler:
    """Return the density that arrays describe. Raises ValueError and others where they describe none of these codes."""
    elements = runner.autoencoder.code_elements
    low, high = arrays["low"].double(), arrays["high"].double()
    if {low.shape, high.shape, arrays.get("mean", low).shape} != {(elements,)}:
        raise ValueError("it is of another code")
    fit = FITS[name].restored({k: v for k, v in arrays.items() if k not in _OWN})
    with own_draws():
        if fit.draw(1).shape != (1, elements):
            raise ValueError("its codes are of another size")
    return Sampler(runner.autoencoder, low, high, lambda: fit)


def _numbers(runner: Runner, name: str, arrays: Mapping[str, Tensor]) -> OfNumbers:
    """Return the probability that arrays describe. Raises ValueError and others where they describe none of these codes."""
    model = runner.autoencoder
    fit = CODE_PRIORS[name].restored({k: v for k, v in arrays.items() if k not in _OWN}, positions(model))
    return OfNumbers(model, lambda: fit)


def keep_sampler(runner: Runner, name: str, sampler: Sampler | OfNumbers) -> None:
    """Write a fitted sampler into the folder; where that cannot be written, say so."""
    if name not in _KEPT:
        return
    model = np.frombuffer(fingerprint(runner).encode(), np.uint8)
    arrays = {k: v.cpu().numpy() for k, v in sampler.arrays().items()}
    try:
        with files.replaced(Path(runner.folder.path), _file(name)) as file:
            np.savez(file, model=model, **arrays)  # type: ignore[arg-type]
    except OSError as e:
        log.warning(f"sampler={name} is not kept: {plain.line_of(e)}; it is fitted again next time.")


def _file(name: str) -> str:
    return f"sampler_{name}.npz"
