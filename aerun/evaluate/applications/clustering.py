"""Do codes fall into the classes by themselves? k-means with as many clusters as there are classes."""

import warnings

from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome, averaged
from aerun.evaluate.subset import refuse_few, subsample
from aerun.trained import Trained

WHO = ("model", "raw", "pca")
METRICS = {"acc": "max", "nmi": "max", "ari": "max"}
_MOST, _STARTS, _DRAWS = 5000, 10, 3


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why codes cannot be clustered here, or nothing: classes are needed to compare the clusters with."""
    return "needs labels" if dataset.facts().classes is None else dataset.label_told


def evaluate(trained: Trained) -> Outcome:
    """Return acc, nmi and ari of k-means clusters against the classes.

    acc: share of samples in their class under the best matching of clusters and classes; nmi: normalized mutual information;
    ari: adjusted Rand index. Clusters never see a label. At most 5,000 test samples; the mean of 3 draws, each the best of 10
    starts. A spatial code is one long vector.
    """
    size = max(trained.autoencoder.facts.size, trained.autoencoder.code_elements)
    test = subsample(trained.data.test, _MOST, size)
    flat = trained.flat(test)
    spaces = {"model": trained.codes(test), "raw": flat, "pca": trained.pca.codes(flat)}
    assert test.y is not None
    refuse_few(len(test.y.unique()), 2, "test", "a comparison of clusters with classes, of as many classes,")
    clusters = trained.dataset.facts().classes
    assert clusters is not None
    draws = [{who: scores(x, test.y, clusters, trained.seed + draw) for who, x in spaces.items()} for draw in range(_DRAWS)]
    drawn = f"mean and deviation of {_DRAWS} draws, each the best of {_STARTS} starts"
    return averaged(draws, f"{len(test):,} test samples, {clusters} clusters; {drawn}")


def scores(x: Tensor, y: Tensor, clusters: int, seed: int) -> dict[str, float]:
    """Return acc, nmi and ari of one draw of k-means on x (n, d) against the classes y (n,)."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    points, truth = x.float().cpu().numpy(), y.cpu().numpy()
    k = min(clusters, len(truth))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a code with fewer different values than clusters
        assigned = KMeans(k, n_init=_STARTS, random_state=seed % 2**32).fit_predict(points)
    return {
        "acc": accuracy(truth, assigned),
        "nmi": float(normalized_mutual_info_score(truth, assigned)),
        "ari": float(adjusted_rand_score(truth, assigned)),
    }


def accuracy(truth: object, assigned: object) -> float:
    """Return the largest share of samples whose cluster is their class, over one-to-one matchings of clusters and classes."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(truth, assigned)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    return float(counts[rows, columns].sum()) / float(counts.sum())
