"""Codes: those that a caller gives, those that are drawn, and those in between two others."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.seeding import own_draws
from aerun.evaluate.samplers import NAMES, Sampler
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.inference.fitted_samplers import fitted_sampler
from aerun.inference.runner import Runner
from aerun.metrics.lines import circle, straight
from aerun.parts import Bottleneck

log = logging.getLogger("aerun")

_OFF = 1e-3  # further than digits of a file that were rounded
SAMPLERS = ("auto", *NAMES)
LINES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": straight, "spherical": circle}


def to_code_tensor(z: Any, shape: tuple[int, ...], cut: float | None = None) -> tuple[Tensor, bool]:
    """Return codes (n, d, *grid), which may come flat, and whether they came as a tensor.

    cut: they may also be the first units of codes, whose others are then this. Raises AerunError for anything that is no code.
    """
    array = z.detach().cpu().numpy() if isinstance(z, Tensor) else np.asarray(z)
    wrong = array.dtype.kind == "f" and not np.isfinite(array).all()
    if cut is not None and array.dtype.kind in "biuf" and array.ndim >= 2:
        array = _with_all_units(array, shape, cut)
    if array.dtype.kind not in "biuf" or array.ndim < 2 or (array.shape[1:] != shape and array[0:1].size != np.prod(shape)):
        raise AerunError(f"codes of shape {array.shape}: this run's are (n, {', '.join(map(str, shape))}).")
    if not len(array) or wrong:
        raise AerunError("there are no codes (the input is empty)." if not len(array) else "codes hold NaN or infinite values.")
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).reshape(-1, *shape), isinstance(z, Tensor)


def _with_all_units(array: NDArray[Any], shape: tuple[int, ...], cut: float) -> NDArray[Any]:
    """Return codes (n, d, *grid) of those that hold their first units alone, also flat; others as they are."""
    places = int(np.prod(shape[1:]))
    units, rest = divmod(int(np.prod(array.shape[1:])), places)
    if rest or not 1 <= units < shape[0] or array.shape[2:] not in ((), shape[1:]):
        return array
    given = array.reshape(len(array), units, *shape[1:])
    return np.concatenate([given, np.full((len(array), shape[0] - units, *shape[1:]), cut, np.float32)], axis=1)


def line(bottleneck: Bottleneck, way: str) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return what leads from one code to another; in a curved space that is its own way.

    Raises AerunError for great circles where there are none.
    """
    if bottleneck.curved and way == "spherical" != bottleneck.way:
        raise AerunError(
            f"way=spherical: great circles are those of real codes or of a sphere, and this run's {bottleneck.curved}. "
            f"way=linear goes along a {bottleneck.way}."
        )
    return bottleneck.between if bottleneck.curved else LINES[way]


def on_space(bottleneck: Bottleneck, z: Tensor) -> Tensor:
    """Return codes (n, d, *grid) as those of a curved or bounded space, and say how many were none; others as they are."""
    its = bottleneck.curved or bottleneck.bounded
    if not its:
        return z
    near = bottleneck.nearest(z)
    if off := int(((near - z).flatten(1).abs().amax(1) > _OFF).sum()):
        log.warning("%d of %d codes are moved to the nearest that this run can have: its codes %s.", off, len(z), its)
    return near


def draw(runner: Runner, n: int, seed: int, sampler: str, data: str | Path | None = None, c: Tensor | None = None) -> Tensor:
    """Return n codes (n, d, *grid), always the same ones for the same seed.

    c (n, m): what is known beforehand of their samples, on which a prior may depend.

    sampler: auto, or one of `aerun.evaluate.samplers`. data: where the training data are, to which all but prior and gaussian
    are fitted. What was fitted is kept in the run's folder, and needs no data again.
    """
    if sampler == "auto":
        sampler = "prior" if runner.autoencoder.follows_prior or runner.autoencoder.bottleneck.curved else "gaussian"
    elif runner.autoencoder.bottleneck.curved and sampler not in ("prior", "aggregate"):
        its = runner.autoencoder.bottleneck.curved
        raise AerunError(f"sampler={sampler}: draws real codes, and this run's {its}. Use prior or aggregate.")
    fitted = None if sampler in ("prior", "gaussian") else fitted_sampler(runner, sampler, data)
    with own_draws(seed), torch.inference_mode():
        if fitted is not None:
            return fitted(n).cpu().float()
        if sampler == "prior":
            return _prior(runner, n, c)
        return _gaussian(runner, n)


def _prior(runner: Runner, n: int, c: Tensor | None) -> Tensor:
    if not runner.autoencoder.has_prior:
        raise AerunError("sampler=prior: this run's codes have no prior; sampler=gaussian is fitted to its training codes.")
    if c is not None:
        like = torch.zeros(n, *runner.code_shape, device=runner.device)
        return runner.autoencoder.prior_codes(like, 1, c.to(runner.device)).cpu()
    like = torch.zeros(1, *runner.code_shape, device=runner.device)
    return runner.autoencoder.prior_codes(like, n).cpu()


def _gaussian(runner: Runner, n: int) -> Tensor:
    about = runner.training_codes.drawn or runner.training_codes
    if about is runner.training_codes and "posterior" in runner.autoencoder.bottleneck.offers:
        log.warning(
            "sampler=gaussian: an older aerun kept the moments of posterior means alone; codes vary less than they should."
        )
    if about.covariance is None:
        raise AerunError("sampler=gaussian: the covariance of so large a code is not kept; sampler=mixture reads the data.")
    mean, covariance, low, high = (
        torch.from_numpy(np.asarray(v)).double() for v in (about.mean, about.covariance, about.low, about.high)
    )
    return Sampler(runner.autoencoder, low, high, lambda: Gaussian(mean, covariance))(n).cpu().float()
