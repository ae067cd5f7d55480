"""Learning from a handful of labels: which samples are labelled, and how well it works."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

_STRENGTHS = (1.0, 10.0, 100.0, 1000.0)  # C of logistic regression, on features of mean squared norm 1
_FOLDS = 3

Array = NDArray[np.float64]


def drawn(y: Tensor, classes: Tensor, each: int, g: Generator) -> Tensor:
    """Return the rows (each, classes) of `each` samples of every class, in random order.

    The first r rows are a smaller draw.
    """
    columns = []
    for c in classes:
        rows = (y == c).nonzero().flatten()
        columns.append(rows[torch.randperm(len(rows), generator=g)[:each]])
    return torch.stack(columns, 1)


def logistic(x: Array, y: Array, test: Array, truth: Array) -> float:
    """Return the accuracy of logistic regression that is fitted on x (n, D) and tested on `test` (m, D).

    C in {1, 10, 100, 1000} is chosen by the log-likelihood in 3-fold cross-validation on x alone (as many folds as the rarest
    class has samples, if fewer; with one of each: C = 10). Features are centred and divided by one number, so that
    mean ||x||^2 = 1.
    """
    from sklearn.linear_model import LogisticRegression

    mean = x.mean(0)
    scale = max(float(np.sqrt(np.square(x - mean).sum(1).mean())), 1e-12)
    x, test = (x - mean) / scale, (test - mean) / scale
    rotation = _span(x)
    x, test = x @ rotation, test @ rotation
    model = LogisticRegression(C=_strength(x, y), max_iter=300, tol=1e-3).fit(x, y)
    return float((model.predict(test) == truth).mean())


def _span(x: Array) -> Array:
    """Return an orthonormal basis (D, r) of the rows of x (n, D).

    The penalty is blind to rotations, and nothing is learned outside of the span.
    """
    if len(x) >= x.shape[1]:
        return np.eye(x.shape[1])
    basis: Array = np.linalg.qr(x.T)[0]
    return basis


def _strength(x: Array, y: Array) -> float:
    """Return the C with the best mean log-likelihood over folds; of equally good ones the smallest."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    folds = min(_FOLDS, int(np.unique(y, return_counts=True)[1].min()))
    if folds < 2:
        return _STRENGTHS[1]
    score = np.zeros(len(_STRENGTHS))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=0).split(x, y):
        model = LogisticRegression(max_iter=300, tol=1e-3, warm_start=True)
        for i, strength in enumerate(_STRENGTHS):
            model.set_params(C=strength).fit(x[train], y[train])
            at = np.searchsorted(model.classes_, y[test])
            score[i] += np.log(model.predict_proba(x[test])[np.arange(len(test)), at].clip(1e-300)).sum()
    return _STRENGTHS[int(score.argmax())]


def paired(a: list[float], b: list[float]) -> tuple[float, float]:
    """Return the mean of a - b and the two-sided p-value of Student's paired t-test; 1 where a and b are the same."""
    from scipy.stats import ttest_rel

    away = np.asarray(a) - np.asarray(b)
    if np.ptp(away) == 0:
        return float(away.mean()), 1.0 if away[0] == 0 or len(away) < 2 else 0.0
    return float(away.mean()), float(ttest_rel(a, b).pvalue)
