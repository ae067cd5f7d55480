"""Rows of a table that were made up, held against real ones.

Rows are (n, columns), 64-bit: numbers, NaN where there is none, and the places of words, below 0 or NaN where there is none.
`words` says how many words each column has, 0 for numbers.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aerun.metrics.neighbours import neighbour_distance

_BINS = 5  # of a number beside words
_COLUMNS = 40  # of which pairs are compared
_FOLDS, _LEAST, _CARDINAL = 3, 5, 255  # of boosted trees: folds, samples in a leaf, words that they can tell apart
Rows = NDArray[np.float64]


def shape(real: Rows, made: Rows, words: Sequence[int]) -> float:
    """Return how alike columns are one by one, 1 at best: the mean of 1 - KS of numbers and of 1 - TV of words.

    KS, the largest difference of two distribution functions, is over the cells that have a value; with gaps 1 - KS is averaged
    with 1 less the difference in their shares. Of words a missing one is one of its own.
    """
    likes = []
    for a, b, count in zip(real.T, made.T, words, strict=True):
        if count:
            likes.append(1 - _variation(_codes(a, count, None), _codes(b, count, None)))
            continue
        gone = abs(float(np.isnan(a).mean()) - float(np.isnan(b).mean()))
        near = 1 - _kolmogorov(a[~np.isnan(a)], b[~np.isnan(b)])
        likes.append((near + 1 - gone) / 2 if np.isnan(a).any() or np.isnan(b).any() else near)
    return float(np.mean(likes))


def pair(real: Rows, made: Rows, words: Sequence[int]) -> float:
    """Return how alike columns are two by two, 1 at best: the mean over pairs (of the first 40 columns).

    Of two numbers 1 - |r - r'| / 2, of their correlations; else 1 - TV of both together, numbers in 5 classes at the quantiles
    of the real ones. NaN for a single column.
    """
    likes = []
    coded: dict[int, tuple[Any, Any]] = {}
    for i in range(min(_COLUMNS, len(words))):
        there = real[~np.isnan(real[:, i]), i]
        edges = None if words[i] else np.quantile(there, np.linspace(0, 1, _BINS + 1)[1:-1]) if len(there) else np.zeros(0)
        coded[i] = (_codes(real[:, i], words[i], edges), _codes(made[:, i], words[i], edges))
    for i, j in combinations(coded, 2):
        if words[i] or words[j]:
            both = [coded[i][k] * (max(words[j], _BINS) + 1) + coded[j][k] for k in (0, 1)]
            likes.append(1 - _variation(*both))
        else:
            likes.append(1 - abs(_correlation(real[:, [i, j]]) - _correlation(made[:, [i, j]])) / 2)
    return float(np.mean(likes)) if likes else float("nan")


def told_apart(real: Rows, made: Rows, words: Sequence[int], seed: int) -> float:
    """Return max(a, 1 - a), a the area under ROC of boosted trees that tell made rows from as many real ones, by 3 folds.

    0.5: they cannot.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    n = min(len(real), len(made))
    x, y = np.concatenate([real[:n], made[:n]]), np.repeat([0, 1], n)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    chances = cross_val_predict(_trees(words, seed), _plain(x, words), y, cv=folds, method="predict_proba")[:, 1]
    area = float(roc_auc_score(y, chances))
    return max(area, 1 - area)


def utility(train: Rows, test: Rows, words: Sequence[int], targets: Sequence[int], seed: int) -> float:
    """Return how well boosted trees that are trained on `train` know each target column of `test` from the others, on average.

    The share of right words, and R^2 of numbers, not below 0.
    """
    values = []
    for t in targets:
        others = [i for i in range(len(words)) if i != t]
        known = (~np.isnan(test[:, t])) & ((test[:, t] >= 0) | (words[t] == 0))
        usable = (~np.isnan(train[:, t])) & ((train[:, t] >= 0) | (words[t] == 0))
        x, y = _plain(train[usable], words)[:, others], train[usable, t]
        if not len(y) or not known.any():
            continue
        if len(np.unique(y)) < 2:
            values.append(float((test[known, t] == y[0]).mean()) if words[t] else 0.0)
            continue
        model = _trees([words[i] for i in others], seed, number=not words[t])
        model.fit(x, y)
        values.append(max(0.0, float(model.score(_plain(test[known], words)[:, others], test[known, t]))))
    return float(np.mean(values)) if values else float("nan")


def closer(made: Rows, train: Rows, holdout: Rows, words: Sequence[int]) -> float:
    """Return how much nearer made rows lie to training rows than to as many that training has not seen: 0.5 good, 1 copies.

    Of n training and m other rows, a share p of made rows has its nearest among the former (ties count half). Rows that come
    from the same law as both have p = n / (n + m), so that the result is p m / (p m + (1 - p) n). Distances are Euclidean, of
    numbers over their training deviation and of words one-hot over sqrt 2.
    """
    scale = _spreads(train, words)
    x, near, far = (torch.from_numpy(_points(rows, words, scale)) for rows in (made, train, holdout))
    a, b = neighbour_distance(x, near, 1), neighbour_distance(x, far, 1)
    p = float(((a < b).double() + 0.5 * (a == b).double()).mean())
    n, m = len(train), len(holdout)
    return p * m / (p * m + (1 - p) * n)


def independent(train: Rows, n: int, g: np.random.Generator) -> Rows:
    """Return n rows whose cells are drawn from the training rows, column by column."""
    return np.stack([column[g.integers(0, len(train), n)] for column in train.T], 1)


def copula(train: Rows, words: Sequence[int], n: int, g: np.random.Generator) -> Rows:
    """Return n rows of a Gaussian copula: columns as in training, joined by the correlations of their normal scores.

    Words lie in intervals as long as their shares, the frequent ones first, and are at random within them; gaps likewise.
    """
    from scipy.stats import norm

    order = [_order(column, count) for column, count in zip(train.T, words, strict=True)]
    ranks = np.stack([_scores(column, g) for column in order], 1)
    scores = norm.ppf((ranks + 0.5) / len(train))
    covariance = np.atleast_2d(np.cov(scores, rowvar=False)) + 1e-6 * np.eye(len(words))
    drawn = norm.cdf(g.multivariate_normal(np.zeros(len(words)), covariance, n, method="cholesky"))
    at = np.clip((drawn * len(train)).astype(np.int64), 0, len(train) - 1)
    return np.stack([train[np.argsort(o, kind="stable"), i][at[:, i]] for i, o in enumerate(order)], 1)


def _order(column: Rows, count: int) -> Rows:
    """Return numbers by which a column is sorted: words by how frequent they are, gaps last."""
    if not count:
        return np.where(np.isnan(column), np.inf, column)
    codes = _codes(column, count, None)
    rank = np.argsort(np.argsort(-np.bincount(codes, minlength=count + 1), kind="stable"))
    return rank[codes].astype(np.float64)


def _scores(values: Rows, g: np.random.Generator) -> Rows:
    """Return the ranks of values, equal ones in random order."""
    ranks = np.empty(len(values))
    ranks[np.lexsort((g.random(len(values)), values))] = np.arange(len(values))
    return ranks


def _codes(column: Rows, count: int, edges: Rows | None) -> NDArray[np.int64]:
    """Return the class of each cell: its word, or its place between `edges`; the last class is of cells without a value."""
    gone = np.isnan(column) | ((column < 0) & (count > 0))
    classes = np.where(gone, 0, column) if edges is None else np.searchsorted(edges, column, side="right")
    return np.where(gone, max(count, 0 if edges is None else _BINS), classes).astype(np.int64)


def _variation(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    """Return the total variation of two samples of classes."""
    most = int(max(a.max(), b.max())) + 1
    p, q = (np.bincount(v, minlength=most) / len(v) for v in (a, b))
    return float(np.abs(p - q).sum() / 2)


def _kolmogorov(a: Rows, b: Rows) -> float:
    if not len(a) or not len(b):
        return float(len(a) != len(b))
    a, b = np.sort(a), np.sort(b)
    at = np.concatenate([a, b])
    below = [np.searchsorted(v, at, side="right") / len(v) for v in (a, b)]
    return float(np.abs(below[0] - below[1]).max())


def _correlation(two: Rows) -> float:
    two = two[~np.isnan(two).any(1)]
    if len(two) < 2 or (two.std(0) == 0).any():
        return 0.0
    return float(np.corrcoef(two[:, 0], two[:, 1])[0, 1])


def _spreads(train: Rows, words: Sequence[int]) -> list[tuple[float, float]]:
    """Return mean and deviation of each number in training; 0 and 1 of words."""
    found = []
    for column, count in zip(train.T, words, strict=True):
        there = column[~np.isnan(column)]
        found.append((0.0, 1.0) if count or not len(there) else (float(there.mean()), float(there.std()) or 1.0))
    return found


def _points(rows: Rows, words: Sequence[int], scale: Sequence[tuple[float, float]]) -> Rows:
    """Return rows as points: numbers in deviations, gaps as their mean and a mark, words one-hot."""
    parts = []
    for column, count, (mean, spread) in zip(rows.T, words, scale, strict=True):
        if count:
            parts.append(np.eye(count + 1)[_codes(column, count, None)] / 2**0.5)
        else:
            gone = np.isnan(column)
            parts.append(np.stack([np.where(gone, 0, (column - mean) / spread), gone], 1))
    return np.concatenate(parts, 1)


def _plain(rows: Rows, words: Sequence[int]) -> Rows:
    """Return rows as boosted trees read them: unknown words are missing, and so are those beyond the most that they take.

    A column without any value is 0.
    """
    most = np.array([min(count, _CARDINAL) if count else np.inf for count in words])
    least = np.array([0.0 if count else -np.inf for count in words])
    plain = np.where((rows >= most) | (rows < least), np.nan, rows)
    return np.where(np.isnan(plain).all(0), 0.0, plain)


def _trees(words: Sequence[int], seed: int, number: bool = False) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingRegressor if number else HistGradientBoostingClassifier
    chosen = [i for i, count in enumerate(words) if count] or None
    return kind(max_iter=50, min_samples_leaf=_LEAST, categorical_features=chosen, early_stopping=False, random_state=seed)
