"""How long does one sample take? A single one through the model, beside PCA with a code as large."""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.trained import Trained, filled

WHO = ("model", "pca")
METRICS = {"encode_ms": "min", "reconstruct_ms": "min"}
_ROUNDS, _BEFORE = 50, 5  # measured ones, and those before them, which are slower


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return nothing: every model can be asked."""
    return ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return the milliseconds in which the first test sample is encoded, and reconstructed: the median of 50 times.

    The device is the run's, the threads are those of this process; pca: a product with its components, and back.
    """
    model, pca = trained.autoencoder, trained.pca
    x, beside = next(iter(trained.known_batches(trained.data.test, 1)))
    whole = filled(x, beside.get("valid"), trained.mean)
    ways: dict[str, tuple[Callable[[], Tensor], Callable[[], Tensor]]] = {
        "model": (lambda: model.encode(x, **beside), lambda: model(x, **beside)),
        "pca": (lambda: pca.codes(whole.flatten(1)), lambda: pca(whole)),
    }
    figures = {who: {"encode_ms": _median(a), "reconstruct_ms": _median(b)} for who, (a, b) in ways.items()}
    threads = f", {torch.get_num_threads()} threads" if trained.device.type == "cpu" else ""
    return Outcome(
        figures, f"one sample, the median of {_ROUNDS} times on {trained.device.type}{threads}; another machine differs"
    )


def _median(work: Callable[[], Tensor]) -> float:
    """Return the median of milliseconds, each until the device is done."""
    spent = []
    for _ in range(_BEFORE + _ROUNDS):
        began = time.perf_counter()
        work().flatten()[0].item()  # waits for a device
        spent.append(1000 * (time.perf_counter() - began))
    return statistics.median(spent[_BEFORE:])
