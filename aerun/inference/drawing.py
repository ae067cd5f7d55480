"""Charts of a model for scripts and notebooks. Importing this module imports matplotlib, but no window system and no pyplot."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.pictures.canvas.sheet import shown, signed, span
from aerun.pictures.canvas.style import AMOUNT, BLUE, COLOURS, MARKERS, RED, whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CLASSES = 30  # different labels up to which each has a colour of its own
_COLUMNS, _FEATURES, _LETTERS = 30, 3, 72
Codes = NDArray[np.float64]


class Drawing(Figure):
    """A figure that a notebook shows as a picture where it is a cell's value; nothing needs to be closed."""

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as file:
            self.savefig(file, format="png")
            return file.getvalue()


def _drawing(rows: int = 1, columns: int = 1, width: float = 5.0, height: float = 3.4) -> tuple[Drawing, list["Axes"]]:
    """Return a figure of rows x columns panels, each width x height inches, and its axes in reading order."""
    figure = Drawing(figsize=(columns * width, rows * height), layout="constrained", dpi=mpl.rcParams["figure.dpi"])
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)


def _on(ax: "Axes | None") -> "Axes":
    return _drawing()[1][0] if ax is None else ax


def history(figures: Mapping[str, Codes], names: Sequence[str], best: int | None, ax: "Axes | None") -> Any:
    """Draw figures (epochs,) over the epochs, the best one marked, on a log scale where they span more than a factor of 10."""
    ax = _on(ax)
    epochs = figures.get("epoch", np.arange(len(figures[names[0]])))
    for i, name in enumerate(names):
        ax.plot(epochs, figures[name], label=name, color=COLOURS[i % len(COLOURS)], marker="." if len(epochs) < 3 else None)
    values = np.concatenate([figures[name] for name in names])
    if values.size and values.min() > 0 and values.max() > 10 * values.min():
        ax.set_yscale("log")
    if best is not None:
        ax.axvline(best, color="grey", linestyle=":", label=f"best epoch ({best})")
    alike = {name.rpartition("/")[2] for name in names}  # train/loss and val/loss are both a loss
    ax.set(xlabel="epoch", ylabel=names[0] if len(names) == 1 else alike.pop() if len(alike) == 1 else "", title="Training")
    ax.legend()
    whole(ax)
    return ax.figure


def codes(z: Codes, labels: Any, ax: "Axes | None") -> Any:
    """Draw codes (n, d), coloured by labels (n,) where there are some.

    One number: a histogram. Two: as they are. More: their two largest principal components, which the axes and the title say.
    """
    ax = _on(ax)
    if z.shape[1] == 1:
        return _histogram(z[:, 0], labels, ax)
    points, names, title = z, ("z1", "z2"), f"Codes of {len(z):,} samples"
    if z.shape[1] > 2:
        centred = z - z.mean(0)
        _, values, directions = np.linalg.svd(centred, full_matrices=False)
        shares = values**2 / max(float((values**2).sum()), 1e-300)
        points = centred @ directions[:2].T
        names = (f"component 1 ({shares[0]:.0%} of the variance)", f"component 2 ({shares[1]:.0%})")
        title = f"PCA of {z.shape[1]}-number codes of {len(z):,} samples"
    _scatter(ax, points, labels)
    ax.locator_params(nbins=6)  # more of them, with minus signs and decimals, would run into each other
    ax.set(xlabel=names[0], ylabel=names[1], title=title)
    return ax.figure


def _scatter(ax: "Axes", points: Codes, labels: Any) -> None:
    if labels is None:
        ax.scatter(points[:, 0], points[:, 1], s=9, color=BLUE, alpha=0.7, linewidths=0)
        return
    if (classes := _classes(labels)) is None:
        amounts = np.asarray(labels, dtype=np.float64)
        dots = ax.scatter(points[:, 0], points[:, 1], s=9, c=amounts, cmap=AMOUNT, linewidths=0)
        ax.figure.colorbar(dots, ax=ax, label="label")
        return
    for i, (name, own) in enumerate(classes):
        colour, mark = COLOURS[i % len(COLOURS)], MARKERS[(i // len(COLOURS) + i) % len(MARKERS)]
        ax.scatter(points[own, 0], points[own, 1], s=12, color=colour, marker=mark, alpha=0.75, linewidths=0, label=name)
    ax.legend(title="label", fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))


def _classes(labels: Any) -> list[tuple[str, NDArray[np.bool_]]] | None:
    """Return each label with the samples (n,) that have it, in order; None for amounts: many different numbers."""
    array = np.asarray(labels)
    if array.dtype.kind in "iuf" and len(np.unique(array)) > _CLASSES:
        return None
    words = np.array([str(v) for v in array.tolist()])
    order = [str(v) for v in np.unique(array if array.dtype.kind in "biuf" else words).tolist()]
    if len(order) > _CLASSES:
        raise AerunError(f"plot: labels of {len(order):,} different words; at most {_CLASSES} have a colour of their own.")
    return [(word, words == word) for word in order]


def _histogram(z: NDArray[np.float64], labels: Any, ax: "Axes") -> Any:
    classes = None if labels is None else _classes(labels)
    groups = [z] if classes is None else [z[own] for _, own in classes]
    names = None if classes is None else [name for name, _ in classes]
    colours = [COLOURS[i % len(COLOURS)] for i in range(len(groups))]
    ax.hist(groups, bins=max(10, min(60, round(1.5 * len(z) ** 0.5))), stacked=True, color=colours, label=names)
    if names is not None:
        ax.legend(title="label")
    ax.set(xlabel="z1", ylabel="samples", title=f"Codes of {len(z):,} samples")
    return ax.figure


def images(x: Tensor, x_hat: Tensor, facts: Any, prefixes: Mapping[str, Tensor]) -> Any:
    """Draw images (n, C, H, W) above their reconstructions and the errors x_hat - x: orange too bright, blue too dark.

    prefixes: reconstructions from fewer numbers, by words for how many, which are drawn in between.
    """
    rows = {
        "input": shown(x, facts),
        **{words: shown(rebuilt, facts, x) for words, rebuilt in prefixes.items()},
        "all" if prefixes else "reconstruction": shown(x_hat, facts, x),
        "error": signed(x_hat - x, span(x, facts) / 2),
    }
    figure, axes = _drawing(len(rows), len(x), 0.95, 0.95)
    for r, (name, cells) in enumerate(rows.items()):
        for c, cell in enumerate(cells):
            ax = axes[r * len(x) + c]
            ax.imshow(cell.expand(3, -1, -1).permute(1, 2, 0).numpy(), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            if c == 0:
                ax.set_ylabel(name, fontsize="small")
    lines = ["Reconstructions from the first numbers of nested codes, and from all of them"] if prefixes else []
    lines += ["Error: orange too bright, blue too dark, full colour at half of the range"]
    figure.suptitle("\n".join(lines), fontsize="small", wrap=True)
    return figure


def lines(x: Sequence[Sequence[str]], x_hat: Sequence[Sequence[str]]) -> Any:
    """Draw the symbols of lines above what is left of them, those that differ in orange; of long lines the beginning."""
    gap = int(any(len(symbol) > 1 for line in x for symbol in line))  # words have spaces between them
    most = max(sum(len(s) + gap for s in line) for line in (*x, *x_hat))
    width = max(20, min(_LETTERS, most))
    figure, (ax,) = _drawing(width=1.7 + 0.09 * width, height=0.5 + 0.5 * len(x))
    differ = 0
    for i, pair in enumerate(zip(x, x_hat, strict=True)):
        same = [a == b for a, b in zip(*pair, strict=False)]
        differ += max(map(len, pair)) - sum(same)
        for row, name, symbols in zip((3 * i, 3 * i + 1), ("input", "reconstruction"), pair, strict=True):
            ax.text(-1, row, name, fontsize="x-small", ha="right", va="center", color="grey")
            at = 0
            for k, symbol in enumerate(symbols):
                if at + len(symbol) > width:
                    ax.text(width, row, "…", va="center")
                    break
                right = name == "input" or (k < len(same) and same[k])
                look: dict[str, Any] = {} if right else {"color": RED, "fontweight": "bold"}
                letters = symbol if right else symbol.replace(" ", "_")
                ax.text(at, row, letters, family="monospace", va="center", parse_math=False, **look)
                at += len(symbol) + gap
    ax.set(xlim=(-16, width + 1), ylim=(3 * len(x) - 1, -1))
    ax.axis("off")
    total = sum(max(len(a), len(b)) for a, b in zip(x, x_hat, strict=True))
    what = "words" if gap else "letters"
    figure.suptitle(f"{differ:,} of {total:,} {what} of these reconstructions differ (orange)", fontsize="small")
    return figure


def series(x: Codes, x_hat: Codes, lengths: Sequence[int]) -> Any:
    """Draw series (n, T, F), solid, and their reconstructions, dashed: at most the 3 features that vary most."""
    features = sorted(np.argsort(-np.nanvar(x, axis=(0, 1)))[:_FEATURES].tolist())
    across = min(4, len(x))
    figure, axes = _drawing(-(-len(x) // across), across, 3.2, 2.1)
    for i, ax in enumerate(axes):
        if i >= len(x):
            ax.axis("off")
            continue
        for c, f in enumerate(features):
            ax.plot(x[i, : lengths[i], f], color=COLOURS[c], alpha=0.65, label=f"feature {f}")
            ax.plot(x_hat[i, : lengths[i], f], color=COLOURS[c], linestyle="--")
        error = float(np.mean((x_hat[i, : lengths[i]] - x[i, : lengths[i]]) ** 2))
        ax.set_title(f"mean squared error {error:.3g}", fontsize="small")
        ax.set_xlabel("step")
        whole(ax)
    if x.shape[2] > 1:
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(features))
    kept = "" if len(features) == x.shape[2] else f", {len(features)} of {x.shape[2]} features"
    figure.suptitle(f"Series (solid) and their reconstructions (dashed){kept}", fontsize="small")
    return figure


def columns(errors: Codes, names: Sequence[str], ax: "Axes | None") -> Any:
    """Draw the mean squared error of each column over samples (n, columns), largest first, with its standard error."""
    means = errors.mean(0)
    order = np.argsort(-means, kind="stable")[:_COLUMNS]
    ax = _drawing(width=5.6, height=max(1.8, 0.26 * len(order) + 1.2))[1][0] if ax is None else ax
    deviation = errors[:, order].std(0, ddof=1) / np.sqrt(len(errors)) if len(errors) > 1 else None
    ax.barh(range(len(order)), means[order], xerr=deviation, color=BLUE, ecolor="grey", height=0.7)
    ax.set_yticks(range(len(order)), [n if len(n) <= 24 else f"{n[:23]}…" for n in (names[i] for i in order)])
    ax.invert_yaxis()
    kept = "" if len(order) == len(names) else f", the {len(order)} largest of {len(names)} columns"
    ax.set(xlabel="squared error, behind the preparation (bars: standard error)")
    ax.set_title(f"Reconstruction of {len(errors):,} rows{kept}")
    return ax.figure
