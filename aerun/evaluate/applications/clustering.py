"""Do codes fall into the classes by themselves? k-means with as many clusters as there are classes."""

import warnings
from typing import Any

from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome, averaged
from aerun.evaluate.subset import refuse_few, subsample
from aerun.trained import Trained

WHO = ("model", "gaussians", "own", "raw", "pca")
METRICS = {"acc": "max", "nmi": "max", "ari": "max"}
_MOST, _STARTS, _DRAWS = 5000, 10, 3
_WIDEST = 64  # codes to which Gaussians with covariances of their own are fitted


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why codes cannot be clustered here, or nothing: classes are needed to compare the clusters with."""
    return "needs labels" if dataset.facts().classes is None else dataset.label_told


def evaluate(trained: Trained) -> Outcome:
    """Return acc, nmi and ari of clusters against the classes.

    Rows: model, k-means on the codes; gaussians, a mixture of Gaussians with full covariances on the same codes (of up to 64
    numbers); own, the clusters of the model's own parts, where it has any (regularizer=clusters, model/prior=mixture), as many
    as those have; raw and pca, k-means on the samples and on PCA of the code's size.
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
    draws = [_draw(trained, spaces, test.y, clusters, trained.seed + draw) for draw in range(_DRAWS)]
    drawn = f"mean and deviation of {_DRAWS} draws, each the best of {_STARTS} starts"
    return averaged(draws, f"{len(test):,} test samples, {clusters} clusters; {drawn}")


def _draw(trained: Trained, spaces: dict[str, Tensor], y: Tensor, clusters: int, seed: int) -> dict[str, dict[str, float]]:
    """Return the figures of one draw, row by row."""
    codes = spaces["model"]
    rows = {who: scores(x, y, clusters, seed) for who, x in spaces.items()}
    if codes.shape[1] <= _WIDEST:
        rows["gaussians"] = against(y, gaussians(codes, clusters, seed))
    own = trained.autoencoder.assign(codes.to(trained.device).to(next(trained.autoencoder.parameters()).dtype))
    if own is not None:
        rows["own"] = against(y, own.cpu().numpy())
    return {who: rows[who] for who in WHO if who in rows}


def gaussians(x: Tensor, clusters: int, seed: int) -> Any:
    """Return the clusters (n,) of x (n, d) by a mixture of Gaussians with full covariances."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    points = x.double().cpu().numpy()
    least = 1e-6 * float(points.var(0).mean()) + 1e-12
    fit = GaussianMixture(min(clusters, len(points)), reg_covar=least, random_state=seed % 2**32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit.fit_predict(points)


def scores(x: Tensor, y: Tensor, clusters: int, seed: int) -> dict[str, float]:
    """Return acc, nmi and ari of one draw of k-means on x (n, d) against the classes y (n,)."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    points = x.float().cpu().numpy()
    k = min(clusters, len(points))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a code with fewer different values than clusters
        assigned = KMeans(k, n_init=_STARTS, random_state=seed % 2**32).fit_predict(points)
    return against(y, assigned)


def against(y: Tensor, assigned: Any) -> dict[str, float]:
    """Return acc, nmi and ari of clusters (n,) against the classes y (n,)."""
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    truth = y.cpu().numpy()
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
