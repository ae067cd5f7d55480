"""Training and validation through the epochs: objective, error, weighted terms, learning rate."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.style import BLUE, COLOURS, GREY, ORANGE, Pixels, chart, log, pixels, whole
from aerun.runs import plain
from aerun.trained import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHEAP = True
Rows = dict[str, "array[float]"]
_NEEDED = ("epoch", "train/loss", "val/loss", "val/mse", "lr")


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return every run has them."""
    return ""


def draw(trained: Trained, folder: Path) -> Pixels | None:
    """Draw metrics.csv; return None where the run has written none.

    The dotted line is the epoch whose weights are kept.
    """
    rows = columns(folder)
    if not rows:
        return None
    epochs = [e + 1 for e in rows["epoch"]]
    terms = sorted(k.removeprefix("train/reg_w/") for k in rows if k.startswith("train/reg_w/"))
    with chart(1, 4 if terms else 3, width=3.4, height=2.8) as (figure, axes):
        _pair(axes[0], epochs, rows, "loss", "objective per sample")
        _line(axes[1], epochs, rows["val/mse"], "validation", ORANGE)
        axes[1].set(title="squared error per element, clean input")
        log(axes[1], "y")
        _line(axes[2], epochs, rows["lr"], "", BLUE)
        axes[2].set_title("learning rate")
        for i, term in enumerate(terms):
            _line(axes[3], epochs, rows[f"train/reg_w/{term}"], term, COLOURS[i % len(COLOURS)])
        if terms:
            axes[3].set_title("weighted terms, training")
            axes[3].legend()
        for ax in axes:
            ax.set_xlabel("epoch")
            whole(ax)
        best = min(range(len(epochs)), key=lambda i: rows["val/loss"][i])
        for ax in axes[:2]:
            ax.axvline(epochs[best], color=GREY, linestyle=":", label="best epoch")
            ax.legend()
        return pixels(figure)


def _pair(ax: "Axes", epochs: Sequence[float], rows: Rows, key: str, title: str) -> None:
    _line(ax, epochs, rows[f"train/{key}"], "training", BLUE)
    _line(ax, epochs, rows[f"val/{key}"], "validation", ORANGE)
    ax.set_title(title)
    if min(rows[f"train/{key}"] + rows[f"val/{key}"]) > 0:
        log(ax, "y")


def _line(ax: "Axes", epochs: Sequence[float], values: Sequence[float], label: str, colour: str) -> None:
    ax.plot(epochs, values, color=colour, label=label, marker="o" if len(epochs) < 20 else "", markersize=3)


def columns(folder: Path) -> Rows:
    """Return columns of metrics.csv; empty where there is none."""
    found: dict[str, array[float]] = {}  # of 8 bytes a number
    for row in plain.rows(folder):
        for key, value in plain.numbers(folder, row, *_NEEDED).items():
            found.setdefault(key, array("d")).append(value)
    return found
