"""How good restored samples are, and restoration without a model."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from aerun.autoencoder import Autoencoder
from aerun.core.facts import Facts, valid_weight
from aerun.core.memory import rows_that_fit
from aerun.dataset.splits import Split
from aerun.metrics.squared_error import of_elements, of_samples
from aerun.metrics.ssim import ssim, ssim_applies
from aerun.trained import Trained

_MOST, _ELEMENTS = 1000, 20_000_000


def first(trained: Trained, split: Split) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None]:
    """Return the first 1,000 samples (n, *S), fewer where they hold more than 20 million elements; their valid, c and seen.

    These are None where samples have none, see `Autoencoder.beside`.
    """
    facts = trained.autoencoder.facts
    rows = max(1, min(_MOST, len(split), _ELEMENTS // facts.size))
    pairs = list(trained.known_batches(Split(split.x[:rows], None)))
    valid, c, seen = (_joined([b[k] for _, b in pairs if k in b]) for k in ("valid", "c", "seen"))
    return torch.cat([x for x, _ in pairs]), valid, c, seen


def _joined(parts: list[Tensor]) -> Tensor | None:
    return torch.cat(parts) if parts else None


def in_parts(f: Callable[..., Tensor], rows: int, *tensors: Tensor | None) -> Tensor:
    """Return f of tensors, computed in parts of `rows` rows; None stays None."""
    n = next(len(tensor) for tensor in tensors if tensor is not None)
    parts = [[None if tensor is None else tensor[i : i + rows] for tensor in tensors] for i in range(0, n, rows)]
    return torch.cat([f(*part) for part in parts])


def span(facts: Facts, x: Tensor) -> float:
    """Return R of the PSNR: the declared range, or that of the samples where none is declared."""
    if facts.low is not None and facts.high is not None:
        return facts.high - facts.low
    return max(float(x.max() - x.min()), 1e-12)


def clamped(x: Tensor, facts: Facts) -> Tensor:
    """Return x clamped to the data's range, where they have one."""
    return x if facts.low is None and facts.high is None else x.clamp(facts.low, facts.high)


def pooled_psnr(x_hat: Tensor, x: Tensor, where: Tensor, reach: float) -> float:
    """Return 10 log10(R^2 / mean squared error over all elements that `where` (B, *S) weighs), in dB."""
    error = of_elements(x_hat, x, where, exact=True).sum() / where.double().sum()
    return 10 * math.log10(reach**2 / max(float(error), 1e-20))


def quality(
    x_hat: Tensor, x: Tensor, valid: Tensor | None, facts: Facts, reach: float, seen: Tensor | None = None
) -> dict[str, float]:
    """Return psnr, pooled, in dB; se, the squared error of a sample; and ssim, of images of at least 11 x 11 pixels.

    x_hat is clamped to the data's range first.
    """
    x_hat = clamped(x_hat, facts)
    where = torch.ones_like(x) * valid_weight(valid, x, seen)
    error = of_samples(x_hat, x, where).mean()
    figures = {"psnr": pooled_psnr(x_hat, x, where, reach), "se": float(error)}
    if facts.kind == "image" and ssim_applies(facts.shape):
        figures["ssim"] = float(in_parts(lambda a, b: ssim(a, b, reach), 256, x, x_hat).mean())
    return figures


def filters(noisy: Tensor) -> dict[str, Tensor]:
    """Return images (B, C, H, W) filtered by median, gaussian and wiener, each channel by itself.

    median: 3 x 3. gaussian: of 0.8 pixels. wiener: the adaptive 5 x 5 filter, which estimates the noise itself.
    """
    import numpy as np
    from scipy.ndimage import gaussian_filter, median_filter
    from scipy.signal import wiener

    y = noisy.double().cpu().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):  # where nothing varies
        flat = [wiener(image, 5) for image in y.reshape(-1, *y.shape[2:])]
    filtered = {
        "median": median_filter(y, (1, 1, 3, 3)),
        "gaussian": gaussian_filter(y, (0, 0, 0.8, 0.8)),
        "wiener": np.where(np.isfinite(flat), flat, y.reshape(-1, *y.shape[2:])).reshape(y.shape),
    }
    return {k: torch.from_numpy(v).to(noisy) for k, v in filtered.items()}


def moving_average(noisy: Tensor, width: int, valid: Tensor | None = None) -> Tensor:
    """Return the mean over an odd number of neighbouring steps that are there, each feature by itself; (B, T, F)."""
    weight = torch.ones_like(noisy) * valid_weight(valid, noisy)

    def total(v: Tensor) -> Tensor:
        edges = pad(v.transpose(1, 2), (width // 2, width // 2))
        return avg_pool1d(edges, width, stride=1).transpose(1, 2) * width

    return total(noisy * weight) / total(weight).clamp_min(1e-9)


def rows_of(model: Autoencoder) -> int:
    """Return how many samples are passed to a model at once."""
    return rows_that_fit(model.facts.size)
