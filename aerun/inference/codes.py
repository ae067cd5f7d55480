"""Codes: given by hand, drawn, and between others."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.paths import data_paths, with_data
from aerun.model.bottleneck.quantized import Quantized
from aerun.model.bottleneck.vq import Vq
from aerun.pictures.interpolations import circle, straight

if TYPE_CHECKING:
    from aerun.inference.model import Model

LINES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": straight, "spherical": circle}


def to_code_tensor(z: Any, shape: tuple[int, ...]) -> tuple[Tensor, bool]:
    """Codes (n, d, *grid), also given flat, and whether they came as a tensor. AerunError for what is none."""
    array = z.detach().cpu().numpy() if isinstance(z, Tensor) else np.asarray(z)
    if array.dtype.kind not in "biuf" or array.ndim < 2 or (array.shape[1:] != shape and array[0:1].size != np.prod(shape)):
        raise AerunError(f"codes of shape {array.shape}: this run's are (n, {', '.join(map(str, shape))}).")
    if not len(array) or not np.isfinite(array).all():
        raise AerunError("there are no codes (the input is empty)." if not len(array) else "codes hold NaN or infinite values.")
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).reshape(-1, *shape), isinstance(z, Tensor)


def draw(model: "Model", n: int, seed: int, sampler: str, data: str | Path | None = None) -> Tensor:
    """n codes (n, d, *grid), of this seed always the same. data: where the training data are, which a mixture reads."""
    autoencoder = model.autoencoder
    if sampler == "auto":
        sampler = "prior" if autoencoder.follows_prior else "gaussian"
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        if sampler == "prior":
            return _prior(model, n)
        return _gaussian(model, n) if sampler == "gaussian" else _mixture(model, n, data)


def _prior(model: "Model", n: int) -> Tensor:
    bottleneck, (_, *grid) = model.autoencoder.bottleneck, model.code_shape
    if isinstance(bottleneck, Vq):
        return bottleneck.lookup(torch.randint(bottleneck.codes, (n, bottleneck.groups, *grid)).to(model.device)).cpu()
    if "prior" not in bottleneck.offers:
        raise AerunError("sampler=prior: this run's codes have no prior; sampler=gaussian is fitted to its training codes.")
    prior = bottleneck(torch.zeros(1, bottleneck.features, *grid, device=model.device))["prior"]
    return torch.cat([prior.sample().cpu() for _ in range(n)]).float()


def _gaussian(model: "Model", n: int) -> Tensor:
    about = model.training_codes
    if about.covariance is None:
        raise AerunError("sampler=gaussian: the covariance of so large a code is not kept; sampler=mixture reads the data.")
    mean, covariance, low, high = (
        torch.from_numpy(np.asarray(v)).double() for v in (about.mean, about.covariance, about.low, about.high)
    )
    values, vectors = torch.linalg.eigh(covariance)
    drawn = mean + torch.randn(n, len(mean), dtype=torch.float64) @ (vectors * values.clamp_min(0).sqrt()).t()
    z = torch.minimum(torch.maximum(drawn, low), high).float().reshape(n, *model.code_shape)
    bottleneck = model.autoencoder.bottleneck
    return bottleneck.code(z.to(model.device)).cpu() if isinstance(bottleneck, Vq | Quantized) else z


def _mixture(model: "Model", n: int, data: str | Path | None) -> Tensor:
    from aerun.build import dataset_of
    from aerun.evaluate.samplers import samplers
    from aerun.trained import Trained

    paths = data_paths(model.config)
    if paths and data is None:
        raise AerunError(
            "sampler=mixture reads the training data, and a run's folder alone does not say where files are read: use "
            f"--data PATH (data=PATH in Python). They were {', '.join(f'{k}={v}' for k, v in paths.items())}."
        )
    with torch.inference_mode(False):
        dataset = dataset_of(with_data(model.config, data), ())
        return samplers(Trained(model.autoencoder, dataset, model.device, model.seed))["mixture"](n).cpu().float()
