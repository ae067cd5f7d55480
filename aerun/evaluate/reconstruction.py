"""Reconstruction error, in one place for the model and for its baselines.

SE_i = sum_d (x_id - x_hat_id)^2, summed over the event; `se` = mean_i SE_i; `mse` = se / D; `psnr` pools all elements,
10 log10(R^2 / mse); `psnr_mean` averages per-sample values; `fvu` = se / mean_i ||x_i - m||^2, m the training mean. Headline
figures are of the output as it is; `se_clamped` clamps it to the data's range first. Same rule for every model.
"""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.facts import Facts, known_weight
from aerun.evaluate.columns import rmse
from aerun.evaluate.prefixes import group_of, size_errors
from aerun.metrics.interval import interval
from aerun.metrics.squared_error import of_samples
from aerun.trained import Trained, filled
from aerun.vocabulary import call

Batch = tuple[Tensor, dict[str, Tensor]]  # samples, and what is known beside their values
Source = Callable[[], Iterator[Batch]]
Reconstruct = Callable[[Tensor, dict[str, Tensor]], Tensor]

_SCORES = ("se", "se_clamped", "mse", "psnr", "psnr_mean")
FIGURES = (
    *(f"{who}/{score}" for who in ("test", "pca", "mean") for score in _SCORES),
    "test/fvu",
    "pca/fvu",
    "test/reconstruction",
    "test/reconstruction_excess",
)


@torch.no_grad()
def report(trained: Trained, errors: list[Tensor] | None = None) -> dict[str, float]:
    """Report the test figures of the model, of PCA with as many numbers as its code, and of the training mean.

    test/against_pca_low, test/against_pca_high: see `_against_pca`. pca/components: fewer than the code has numbers where the
    training samples determine no more.
    Of a model that is told something beforehand (`dataset.condition`) that PCA is told it too, see `Trained.informed`, and
    pca_plain is the one that is not.
    errors: the model's SE_i are put into it, batch after batch, in the order of the test split.
    Sequences of varying length: only real steps count, and PCA reads the mean where there is none.
    """
    model, data, mean = trained.autoencoder, trained.data, trained.mean

    def test() -> Iterator[Batch]:
        return trained.known_batches(data.test)

    span = _range(model.facts, test)
    baselines: dict[str, Reconstruct] = {"pca": trained.informed, "mean": lambda x, known: mean.expand_as(x)}
    if model.told is not None:
        baselines["pca_plain"] = lambda x, known: trained.pca(filled(x, known.get("valid"), mean))

    def of_baselines() -> dict[str, tuple[dict[str, float], list[Tensor]]]:
        return {who: (_scores(f, test, model.facts, span, each := list[Tensor]()), each) for who, f in baselines.items()}

    beside = trained.of_data("baselines", of_baselines)
    each = {"test": [] if errors is None else errors, "pca": beside["pca"][1]}
    scores = {"test": _scores(lambda x, known: model(x, **known), test, model.facts, span, each["test"])}
    scores |= {who: row for who, (row, _) in beside.items()}
    figures = {f"{who}/{k}": v for who, row in scores.items() for k, v in row.items()}
    for who in ("test", "pca"):
        figures[f"{who}/fvu"] = figures[f"{who}/se"] / figures["mean/se"] if figures["mean/se"] > 0 else math.nan
    figures |= _against_pca(torch.cat(each["test"]), torch.cat(each["pca"]), trained.dataset.shared_steps)
    figures["pca/components"] = float(trained.pca.components.shape[1])
    own_units = rmse(model, data, trained.device) if model.facts.prepared_from is not None else {}
    of_sizes = {f"{group_of(model)}/{k}/{name}": v for k, row in size_errors(trained).items() for name, v in row.items()}
    return {**figures, **_own_loss(model, test), **own_units, **of_sizes}


def _against_pca(model: Tensor, pca: Tensor, overlap: int) -> dict[str, float]:
    """Return the 95 % interval, over test samples, of the model's mean error less that of PCA, as a share of the latter.

    Empty where PCA makes no error, and of one sample, which says nothing of others.
    """
    low, high = (float(end) for end in interval(model[None].numpy(), pca[None].numpy(), 0.95, overlap=overlap))
    share = float(pca.mean())
    if share <= 0 or not math.isfinite(high):
        return {}
    return {"test/against_pca_low": low / share, "test/against_pca_high": high / share}


def _scores(f: Reconstruct, batches: Source, facts: Facts, span: float, errors: list[Tensor] | None = None) -> dict[str, float]:
    se, clamped, psnr, count, elements = 0.0, 0.0, 0.0, 0, 0.0
    for x, beside in batches():
        x_hat, weight = f(x, beside), known_weight(beside, x)
        each = of_samples(x_hat, x, weight)
        if errors is not None:
            errors.append(each.cpu())
        inside = each if facts.low is None and facts.high is None else of_samples(x_hat.clamp(facts.low, facts.high), x, weight)
        sizes = (torch.ones_like(x) * weight).flatten(1).double().sum(1)
        se, clamped, count = se + float(each.sum()), clamped + float(inside.sum()), count + len(x)
        elements += float(sizes.sum())
        psnr += float((10 * torch.log10(span**2 / (each / sizes.clamp_min(1)).clamp_min(1e-20))).sum())
    mse = se / elements
    pooled = 10 * math.log10(span**2 / max(mse, 1e-20))
    return dict(zip(_SCORES, (se / count, clamped / count, mse, pooled, psnr / count), strict=True))


def _own_loss(model: Autoencoder, batches: Source) -> dict[str, float]:
    """Return the model's own reconstruction loss on clean input, and its excess over the least value it can have."""
    loss, floor, count = 0.0, 0.0, 0
    for x, beside in batches():
        raw, about = model.raw(model.encode(x, **beside), **beside), {k: beside.get(k) for k in ("valid", "seen")}
        names = {"x": x, "target": model.target(x), "raw": raw, **about, "mask": torch.zeros_like(x, dtype=torch.bool)}
        loss += float(call(model.loss, names).double().sum())
        floor += float(model.loss.floor(x, **about).double().sum())
        count += len(x)
    return {"test/reconstruction": loss / count, "test/reconstruction_excess": (loss - floor) / count}


def _range(facts: Facts, batches: Source) -> float:
    """Return R of the PSNR: the declared range, or that of the test data where none is declared."""
    if facts.low is not None and facts.high is not None:
        return facts.high - facts.low
    low, high = math.inf, -math.inf
    for x, beside in batches():
        real = x[beside["valid"]] if "valid" in beside else x
        low, high = min(low, float(real.min())), max(high, float(real.max()))
    return max(high - low, 1e-12)
