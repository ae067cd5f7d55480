"""Do codes fall into the classes by themselves? k-means with as many clusters as there are classes."""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.trained import Trained

WHO = ("model", "raw", "pca")
METRICS = {"acc": "max", "nmi": "max", "ari": "max"}
_MOST, _STARTS = 5000, 10


def unfit(model: Autoencoder, dataset: Dataset) -> str:
    """Needs classes to be held against."""
    return "needs labels" if dataset.facts().classes is None else ""


def evaluate(trained: Trained) -> Outcome:
    """acc: share of samples in their class under the best matching of clusters and classes; nmi: normalized mutual
    information; ari: adjusted Rand index. Clusters never see a label. First 5,000 test samples, 10 starts.
    """
    test = trained.data.test.take(torch.arange(min(_MOST, len(trained.data.test))))
    flat = trained.flat(test)
    spaces = {"model": trained.codes(test), "raw": flat, "pca": trained.pca.codes(flat)}
    assert test.y is not None
    figures = {who: _scores(x, test.y, trained) for who, x in spaces.items()}
    return Outcome(figures, f"{len(test):,} test samples, {_STARTS} starts of k-means, one draw")


def _scores(x: Tensor, y: Tensor, trained: Trained) -> dict[str, float]:
    from scipy.optimize import linear_sum_assignment
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, confusion_matrix, normalized_mutual_info_score

    k = trained.dataset.facts().classes
    found = KMeans(k, n_init=_STARTS, random_state=trained.seed).fit_predict(x.double().cpu().numpy())
    truth = y.cpu().numpy()
    counts = confusion_matrix(truth, found)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return {
        "acc": float(counts[rows, columns].sum()) / len(truth),
        "nmi": float(normalized_mutual_info_score(truth, found)),
        "ari": float(adjusted_rand_score(truth, found)),
    }
