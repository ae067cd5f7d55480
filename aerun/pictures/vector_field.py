"""Where a denoising model moves points of the plane: r(x) - x, beside the true score of the data where it is known."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.rows import stride_sample
from aerun.pictures.canvas.style import BLUE, ORANGE, Pixels, chart, pixels
from aerun.trained import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHEAP = True
_SIDE, _SAMPLES = 19, 2000


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs points of the plane and Gaussian noise on them."""
    facts = dataset.facts()
    if facts.kind != "table" or facts.shape != (2,):
        return "draws tables of two columns only, such as dataset=mixture."
    return "" if model.corruption.white_noise else "needs a denoising model: model/corruption=gaussian."


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw r(x) - x at points of the plane, beside the true score where it is known.

    For noise of deviation s the best model has r(x) - x = s^2 grad log p_s(x), p_s the density of noisy data (Vincent 2011,
    https://doi.org/10.1162/NECO_a_00142; Alain & Bengio 2014, https://arxiv.org/abs/1211.4246). Beside the arrows: their mean
    cosine at noisy validation samples, and the share of the true field's power that is missed there.
    """
    model, noise = trained.autoencoder, trained.autoencoder.corruption.white_noise
    assert noise is not None
    x = trained.samples(stride_sample(trained.data.val, _SAMPLES))
    points = _grid(x)
    learned = model(points) - points
    score = trained.dataset.score(points, noise)
    with chart(1, 1 if score is None else 2, width=5.0, height=5.0) as (figure, axes):
        _arrows(axes[0], points, learned, x, BLUE)
        axes[0].set_title(f"learned: r(x) - x, noise s = {noise:g}")
        if score is not None:
            _arrows(axes[1], points, noise**2 * score, x, ORANGE)
            noisy = x + noise * torch.randn_like(x)
            there = trained.dataset.score(noisy, noise)
            assert there is not None
            cosine, missed = agreement(model(noisy) - noisy, noise**2 * there)
            axes[1].set_title(f"true: s² grad log p_s(x)\nat noisy data: mean cosine {cosine:.3f}, missed {missed:.1%}")
        return pixels(figure)


def agreement(learned: Tensor, true: Tensor) -> tuple[float, float]:
    """Return mean cosine between two fields (n, 2), and sum |learned - true|^2 / sum |true|^2."""
    cosine = torch.cosine_similarity(learned, true).mean()
    return float(cosine), float((learned - true).square().sum() / true.square().sum())


def _grid(x: Tensor) -> Tensor:
    """Return points evenly over the square that holds the samples and a tenth more on each side, (n, 2)."""
    low, high = x.amin(0), x.amax(0)
    middle, half = (low + high) / 2, 0.6 * float((high - low).max())
    side = torch.linspace(-half, half, _SIDE, dtype=x.dtype, device=x.device)
    return torch.cartesian_prod(side, side) + middle


def _arrows(ax: "Axes", at: Tensor, to: Tensor, data: Tensor, colour: str) -> None:
    """Draw arrows that end where the point goes."""
    from_, by, samples = (v.double().cpu().numpy() for v in (at, to, data))
    ax.scatter(samples[:, 0], samples[:, 1], s=4, color="#BBBBBB", linewidths=0, label="validation samples")
    ax.quiver(*from_.T, *by.T, angles="xy", scale_units="xy", scale=1, color=colour, width=0.0035)
    ax.set(xlabel="x₀", ylabel="x₁", aspect="equal")
    ax.legend(loc="upper right", frameon=True)
