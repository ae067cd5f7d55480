"""Held-out sequences overlaid with their reconstructions."""

from pathlib import Path

import torch

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.pictures.canvas.rows import stride_sample
from aerun.pictures.canvas.style import COLOURS, Pixels, chart, pixels, whole
from aerun.trained import Trained

CHEAP = IN_SWEEPS = True
_SAMPLES, _ACROSS, _FEATURES = 6, 3, 3


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it cannot be drawn, or nothing: it needs sequences of numbers."""
    return "" if dataset.facts().kind == "sequence" else "draws sequences only."


@torch.no_grad()
def draw(trained: Trained, folder: Path) -> Pixels:
    """Draw at most 6 validation samples, evenly over the split, as the model sees them.

    Their 3 features of the largest variance; clean input, real steps only.
    """
    model = trained.autoencoder
    samples = stride_sample(trained.data.val, _SAMPLES)
    batches = list(trained.known_batches(samples))
    x = torch.cat([b for b, _ in batches])
    x_hat = torch.cat([model(b, **beside) for b, beside in batches]).double().cpu().numpy()
    valid = torch.cat([beside["valid"] for _, beside in batches]) if "valid" in batches[0][1] else None
    steps = [x.shape[1]] * len(x) if valid is None else valid.sum(1).tolist()
    variance = (x if valid is None else x[valid]).double().reshape(-1, x.shape[2]).var(0)
    features = sorted(variance.argsort(descending=True)[:_FEATURES].tolist())
    truth = x.double().cpu().numpy()
    columns = min(_ACROSS, len(x))
    with chart(-(-len(x) // columns), columns, width=4.0, height=2.4) as (figure, axes):
        for i, ax in enumerate(axes[: len(x)]):
            for c, f in enumerate(features):
                ax.plot(truth[i, : steps[i], f], color=COLOURS[c], label=f"feature {f}", alpha=0.65)
                ax.plot(x_hat[i, : steps[i], f], color=COLOURS[c], linestyle="--", linewidth=1.1)
            error = ((x_hat[i, : steps[i]] - truth[i, : steps[i]]) ** 2).mean()
            ax.set_title(f"{steps[i]} steps, mean squared error {error:.3g}")
            ax.set_xlabel("step")
            whole(ax)
        for ax in axes[len(x) :]:
            ax.axis("off")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=_FEATURES)
        shown = f"{len(features)} of {x.shape[2]} features" if x.shape[2] > len(features) else "all features"
        figure.suptitle(f"Validation sequences (solid) and their reconstructions (dashed), {shown}", fontsize=10)
        return pixels(figure)
