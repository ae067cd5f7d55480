"""Are samples of other classes told from normal ones, by their error and by other scores?"""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.dataset.normal import anomalies
from aerun.dataset.sequences.windows import independent
from aerun.evaluate.anomaly_scores import Score, batch, scored, scorers
from aerun.evaluate.judges import JUDGES
from aerun.evaluate.outcome import Outcome
from aerun.metrics.conformal import ALPHA, shortage
from aerun.metrics.detection import METRICS, auroc_difference, ratio, scores
from aerun.trained import Trained

__all__ = ["METRICS", "WHO", "evaluate", "unsupported_reason"]

WHO = ("model", "latent", "combined", "elbo", *JUDGES, "pca", "none", "knn", "mahalanobis")
_ERRORS = ("model", "pca", "none", "mahalanobis")  # scores whose ratio means something
_RIVALS = ("pca", "none", "knn", "mahalanobis")  # baselines, of which a verdict names the best


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it makes no sense here, or nothing: it needs to know what is normal."""
    return "needs dataset.normal=[...]: the classes that count as normal" if dataset.normal_classes is None else ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return how well each score tells test samples apart; anomalies are those of classes that are not normal.

    Rows: model, the squared error (its mean over real elements); latent, the Mahalanobis distance of the code from training
    codes; combined, SE / (2 s^2) + latent / 2, s^2 the mean squared error of normal validation samples; elbo, -ELBO in nats, a
    mean of 8 draws (where there are posterior and prior); code_knn, code_mixture, probability, expected and novelty, what a
    part such as regularizer=svdd itself calls unusual, see `aerun.evaluate.judges`; pca, the error of PCA of the same size;
    none, no model at all: squared distance from the training mean, in training deviations where the data are no images; knn,
    distance to the fifth nearest of at most 10,000 training samples, in the same units; mahalanobis, squared distance from the
    mean under the training covariance, of rows without missing cells where there are two an element. Scores on the data are
    over what is seen of a row, scaled by how much that is. Covariances are shrunk; those of more than 4,096 numbers are not
    formed. All are computed in 64 bits, so that equal samples have equal scores.

    Metrics: see `aerun.metrics.detection`; ratio: mean score of anomalies over that of normal samples. The threshold is
    conformal at 5 %, of the normal validation samples. Beside them: how many anomalies there are, and the ends of the
    interval in which AUROC of a baseline less that of the model lies, 95 % for all of them together. AerunError where the
    test split has only one kind.
    """
    data, normal = trained.data, trained.dataset.normal_classes
    assert normal is not None
    truth = anomalies(data.test, normal)
    if truth.all() or not truth.any():
        raise AerunError("the test split holds no anomaly, or nothing else.")
    ways = scorers(trained)
    test, val = ({who: scored(trained, split, scorer) for who, scorer in ways.items()} for split in (data.test, data.val))
    figures = {who: scores(test[who], truth, val[who], ALPHA) for who in ways}
    for who in _ERRORS:
        if who in ways:
            figures[who]["ratio"] = ratio(test[who], truth.to(test[who].device))
    overlap = trained.dataset.shared_steps
    note = _note(truth, len(data.val), overlap)
    return Outcome(figures, f"{note}{_probe(trained, ways, test)}", beside=_beside(test, truth, overlap))


def _beside(test: dict[str, Tensor], truth: Tensor, overlap: int) -> dict[str, float]:
    """Return how far each baseline is ahead of the model, as the ends of intervals; the number of anomalies."""
    told = {"counts/anomalies": float(truth.sum())}
    rivals = [who for who in _RIVALS if who in test]
    for who in rivals:
        ends = auroc_difference(test["model"], test[who], truth, 1 - ALPHA / len(rivals), overlap)
        told |= {f"{who}/ahead_{end}": value for end, value in zip(("low", "high"), ends, strict=True)}
    return told


def _note(truth: Tensor, val: int, overlap: int) -> str:
    """Return overlap: so many samples in a row share steps, and count as one."""
    odd, n = int(truth.sum()), len(truth)
    words = (
        f"{n:,} test samples, {odd:,} of them anomalies: auprc by chance is {odd / n:.3g}; false_alarm: at most {ALPHA:.0%} "
    )
    words += f"by {val:,} normal validation samples"
    if short := shortage(val, ALPHA):
        return f"{words}: {short.rstrip('.')}"
    error = (ALPHA * (1 - ALPHA) * (1 / independent(n - odd, overlap) + 1 / independent(val, overlap))) ** 0.5
    words += f", give or take {100 * error:.1f} %"
    return words + (f" ({overlap} windows in a row overlap and count as one)" if overlap > 1 else "")


def _probe(trained: Trained, ways: dict[str, Score], test: dict[str, Tensor]) -> str:
    """Return how normal a constant image looks: it is easy to rebuild, so an error finds nothing wrong with it."""
    facts = trained.autoencoder.facts
    if facts.kind != "image" or facts.low is None or facts.high is None:
        return ""
    grey = float(trained.mean.mean())
    blank = torch.cat([torch.full_like(trained.mean, facts.low), torch.full_like(trained.mean, grey)])
    stored = trained.autoencoder.preparation.inverse(blank) * facts.unit
    if facts.told:  # of which nothing is known
        stored = facts.joined(stored, torch.full((len(stored), facts.told), torch.nan, device=stored.device))
    flat = batch(trained.exact, stored)
    own, pca = (
        [f"{100 * float((test[who] > level).double().mean()):.0f} %" for level in ways[who](flat)] for who in ("model", "pca")
    )
    return (
        f". Of the test images {own[0]} have a larger error than a black image and {own[1]} than a grey one (PCA: {pca[0]} and "
        f"{pca[1]}): where most do, an empty image looks normal"
    )
