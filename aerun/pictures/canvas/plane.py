"""Codes as points of the plane."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.splits import Split
from aerun.evaluate.subset import refuse_few
from aerun.metrics.neighbours import trustworthiness
from aerun.pictures.canvas.rows import errors, stride_sample
from aerun.pictures.canvas.style import AMOUNT, COLOURS, MARKERS, Pixels, chart, pixels
from aerun.trained import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Points = NDArray[np.float64]

MOST = 2000
_NEIGHBOURS = 12  # of the trustworthiness: Venna & Kaski 2001, https://doi.org/10.1007/3-540-44668-0_68


def unsupported_reason(model: Autoencoder) -> str:
    """Return a plane needs codes of two numbers or more."""
    return "" if model.code_elements >= 2 else "needs a code of at least 2 numbers; activations draws one."


def sample_points(trained: Trained) -> tuple[Points, Split]:
    """Return codes (n, d) of at most 2,000 validation samples, evenly over the split, and those samples.

    AerunError for one alone.
    """
    refuse_few(len(trained.data.val), 2, "validation", "a plane of codes")
    samples = stride_sample(trained.data.val, MOST)
    return trained.codes(samples).double().cpu().numpy(), samples


def trust(codes: Points, points: Points) -> float:
    """Return trustworthiness of the points as a map of the codes, 12 neighbours (fewer of few samples); NaN for less than 4."""
    k = min(_NEIGHBOURS, (len(codes) - 1) // 2)
    return trustworthiness(torch.from_numpy(codes), torch.from_numpy(points), k) if k >= 1 else float("nan")


def drawn(trained: Trained, codes: Points, samples: Split, points: Points, layout: str, axes: tuple[str, str] | None) -> Pixels:
    """Return points (n, 2), coloured by label, else by the model's squared error; axes.

    What they are, where they mean something.
    """
    total = len(trained.data.val)
    with chart(width=6.2, height=5.2) as (figure, (ax,)):
        if samples.y is None:
            _by_error(figure, ax, points, trained, samples)
        else:
            _by_label(ax, points, samples.y, trained.dataset.class_names)
        count = f"{len(points):,}" if len(points) == total else f"{len(points):,} of {total:,}"
        title = f"{layout} of {codes.shape[1]}-number codes: {count} validation samples"
        kept = trust(codes, points)
        words = f"trustworthiness {kept:.3f} ({_NEIGHBOURS} neighbours; 1: every neighbour is a true one)"
        ax.set_title(f"{title}\n{words if kept == kept else 'too few samples for a trustworthiness'}")
        if axes is None:  # a place of such a map means nothing, and neither does a distance
            ax.set(xticks=[], yticks=[])
        else:
            ax.set(xlabel=axes[0], ylabel=axes[1])
        return pixels(figure)


def _by_error(figure: "Figure", ax: "Axes", points: Points, trained: Trained, samples: Split) -> None:
    sample_errors = errors(trained, samples).numpy()
    dots = ax.scatter(
        points[:, 0],
        points[:, 1],
        c=sample_errors,
        s=9,
        cmap=AMOUNT,
        vmax=float(np.quantile(sample_errors, 0.98)),
        linewidths=0,
    )
    figure.colorbar(dots, ax=ax, label="squared error of the reconstruction")


def _by_label(ax: "Axes", points: Points, labels: Tensor, names: tuple[str, ...]) -> None:
    """Draw each class in a colour and mark of its own, up to 64 of them, and its name at the middle of its points."""
    y = labels.cpu().numpy()
    present = [int(c) for c in np.unique(y)]
    for i, c in enumerate(present):
        own = points[y == c]
        name = names[c] if c < len(names) else str(c)
        colour, mark = COLOURS[i % len(COLOURS)], MARKERS[(i // len(COLOURS) + i) % len(MARKERS)]
        ax.scatter(own[:, 0], own[:, 1], s=12, color=colour, marker=mark, linewidths=0, alpha=0.75, label=name)
    for c in present if len(present) <= 30 else []:
        x, up = np.median(points[y == c], axis=0)
        name = names[c] if c < len(names) else str(c)
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0}
        ax.text(x, up, name, ha="center", va="center", fontweight="bold", bbox=box)
    if len(present) <= 30:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="label", markerscale=1.6)
