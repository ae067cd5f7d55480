"""How large the errors are: of normal and anomalous samples with threshold, ROC and PR, else of each split beside PCA."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.dataset.normal import anomalies
from aerun.metrics.conformal import alarm_limit, needed, threshold
from aerun.pictures.canvas.rows import errors
from aerun.pictures.canvas.style import BLUE, GREY, ORANGE, RED, Pixels, bins, chart, log, pixels
from aerun.trained import Trained

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CHEAP = True
Values = NDArray[np.float64]
_ALARMS = 0.05


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return every model makes errors."""
    return ""


def draw(trained: Trained, folder: Path) -> Pixels:
    """Return squared errors of clean samples, whole splits.

    Where `dataset.normal` says what is normal, with ROC and PR of the test split and the conformal threshold that a new normal
    sample is above with a probability of at most 5 %.
    """
    data, normal = trained.data, trained.dataset.normal_classes
    by_split = {"validation": errors(trained, data.val).numpy(), "test": errors(trained, data.test).numpy()}
    pca = errors(trained, data.test, pca=True).numpy()
    truth = None if normal is None or data.test.y is None else anomalies(data.test, normal).cpu().numpy()
    if truth is None or truth.all() or not truth.any():  # of one kind: nothing to tell apart
        exact = pca.max() < 1e-6 * by_split["test"].max()  # a code as large as the data: next to 0, off every scale
        return _plain(by_split if exact else {**by_split, "test, PCA of the same size": pca})
    return _detection(by_split["validation"], by_split["test"], pca, truth)


def _plain(by_name: dict[str, Values]) -> Pixels:
    with chart(width=6.2, height=3.6) as (figure, (ax,)):
        edges = _edges(np.concatenate(list(by_name.values())))
        for (name, values), colour, style in zip(by_name.items(), (BLUE, ORANGE, GREY), ("-", "-", "--"), strict=False):
            _outline(ax, values, edges, f"{name}: mean {values.mean():.4g}", colour, style)
        ax.set(xlabel="squared error of a sample, log scale", ylabel="share of samples")
        log(ax, "x")
        ax.set_title("Reconstruction errors")
        ax.set_ylim(top=1.4 * ax.get_ylim()[1])
        ax.legend()
        return pixels(figure)


def _detection(val: Values, test: Values, pca: Values, truth: NDArray[np.bool_]) -> Pixels:
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    line = alarm_limit(threshold(val, _ALARMS))
    with chart(1, 3, width=4.1, height=3.6) as (figure, (ax, roc, pr)):
        edges = _edges(np.concatenate([val, test]))
        _outline(ax, test[~truth], edges, f"normal, {int((~truth).sum()):,}", BLUE)
        _outline(ax, test[truth], edges, f"anomalous, {int(truth.sum()):,}", RED, "--")
        alarms, hits = (test[~truth] > line).mean(), (test[truth] > line).mean()
        if np.isfinite(line):
            ax.axvline(line, color="black", linestyle=":", label=f"threshold {line:.3g}")
            ax.set_title(f"test errors; conformal threshold at 5 %:\n{alarms:.1%} false alarms, {hits:.1%} found")
        else:
            ax.set_title(
                f"test errors; a threshold at 5 % needs\n{needed(_ALARMS)} validation samples, and there are {len(val)}"
            )
        ax.set(xlabel="squared error of a sample, log scale", ylabel="share of samples")
        log(ax, "x")
        ax.set_ylim(top=1.4 * ax.get_ylim()[1])
        for name, scores, colour, style in (("model", test, BLUE, "-"), ("PCA of the same size", pca, GREY, "--")):
            false, true, _ = roc_curve(truth, scores)
            roc.plot(false, true, color=colour, linestyle=style, label=f"{name}: {roc_auc_score(truth, scores):.3f}")
            precision, recall, _ = precision_recall_curve(truth, scores)
            pr.plot(recall, precision, color=colour, linestyle=style,
                    label=f"{name}: {average_precision_score(truth, scores):.3f}")  # fmt: skip
        roc.plot([0, 1], [0, 1], color="black", linestyle=":", label="chance: 0.500")
        roc.plot(alarms, hits, "o", color="black", label="threshold")
        roc.set(xlabel="false alarm rate", ylabel="anomalies found", title="ROC, area under it")
        pr.axhline(truth.mean(), color="black", linestyle=":", label=f"chance: {truth.mean():.3f}")
        pr.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title="precision-recall, average precision")
        for each in (ax, roc, pr):
            each.legend()
        return pixels(figure)


def _edges(values: Values) -> Values:
    """Return bins of equal width on a log scale that hold all values; what is next to 0 goes into the lowest."""
    high = max(float(values.max()), 1e-12)
    low = max(float(np.quantile(values, 0.001)), high * 1e-6)
    return np.geomspace(min(low, high / 2), high * 1.01, bins(len(values)) + 1)


def _outline(ax: "Axes", values: Values, edges: Values, label: str, colour: str, style: str = "-") -> None:
    shares = np.histogram(values.clip(edges[0], edges[-1]), edges)[0] / max(len(values), 1)
    ax.stairs(shares, edges, color=colour, linestyle=style, label=label, linewidth=1.4)
