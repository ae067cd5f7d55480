"""Whether each unit of a code stands for one factor that the data were made of: codes (n, d) against factors (n, f)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_BINS = 20
_FAR = 5  # interquartile ranges from the median, beyond which a value is an outlier
_TREES, _LEAST = 20, 5  # trees in a forest; fewest samples in a leaf
_VOTES, _SHARED = 800, 64  # votes that a classifier is made of, and judged by; samples of one vote
_COLLAPSED = 0.01  # variance, as a share of the largest unit's, below which a unit carries nothing


def gap(codes: Tensor, factors: Tensor) -> float:
    """Return MIG = mean_f (I(f; z_1) - I(f; z_2)) / H(f), z_1 and z_2 the two units that say most about f.

    Units, and factors with more than 20 values, are put in 20 bins of equally many different values, so that no single outlier
    moves them. Chen et al. 2018, https://arxiv.org/abs/1802.04942.
    """
    units = [_bins(z) for z in codes.double().t()]
    gaps = []
    for factor in factors.t():
        numbers = values(factor)
        truth = _bins(factor.double()) if numbers is None else numbers
        best, second, *_ = sorted([*(_information(truth, unit) for unit in units), 0.0], reverse=True)
        gaps.append((best - second) / max(_information(truth, truth), 1e-12))
    return float(np.mean(gaps))


def modularity(codes: Tensor, factors: Tensor) -> float:
    """Return mean_j 1 - sum_{f != best} I(z_j; f)^2 / ((F - 1) I(z_j; best)^2) over the units j that vary.

    1: each unit speaks of one factor alone; 0: of all alike. Several units may share a factor. Informations as in `gap`; units
    with less than a hundredth of the largest variance are left out. Ridgeway & Mozer 2018, https://arxiv.org/abs/1802.05312.
    """
    if factors.shape[1] < 2:
        return 1.0
    truths = [_bins(f.double()) if (numbers := values(f)) is None else numbers for f in factors.t()]
    each = []
    for z in codes.double().t()[_varying(codes)]:
        unit = _bins(z)
        squares = sorted((_information(truth, unit) ** 2 for truth in truths), reverse=True)
        each.append(1 - sum(squares[1:]) / ((len(squares) - 1) * max(squares[0], 1e-12)))
    return float(np.mean(each)) if each else 0.0


def factor_vae_score(codes: Tensor, factors: Tensor, seed: int = 0) -> float:
    """Return the FactorVAE score: how often the unit that varies least tells which factor is held fixed.

    A vote: 64 samples with one value of a random factor (in one of 20 bins, where it has more values), and the unit whose
    variance over them is the smallest share of its variance over all. 800 votes say which factor each unit stands for, 800
    others are judged by it. Units with less than a hundredth of the largest variance take no part: noise of any of them would
    win. It is 1 too where two units hold one factor: see `gap`. Kim & Mnih 2018, https://arxiv.org/abs/1802.05983.
    """
    if len(codes) < 2 or not bool(_varying(codes).any()):
        return 0.0  # it tells nothing
    rng = np.random.default_rng(seed)
    z = codes.double()[:, _varying(codes)].numpy()
    z = (z - z.mean(0)) / z.std(0)
    alike = []
    for factor in factors.t():
        bins = (_bins(factor.double()) if (numbers := values(factor)) is None else numbers).numpy()
        alike.append([np.flatnonzero(bins == b) for b in np.unique(bins)])
    votes = np.zeros((2, z.shape[1], len(alike)))
    for i in range(2 * _VOTES):
        fixed = int(rng.integers(len(alike)))
        rows = alike[fixed][rng.integers(len(alike[fixed]))]
        unit = int(z[rng.choice(rows, _SHARED)].var(0).argmin())
        votes[i % 2, unit, fixed] += 1
    majority = votes[0].argmax(1)
    return float(votes[1][np.arange(len(majority)), majority].sum() / _VOTES)


def _varying(codes: Tensor) -> Tensor:
    """Return which units (d,) carry something."""
    variance = codes.double().var(0)
    return (variance > 0) & (variance >= _COLLAPSED * variance.max())


def matched(codes: Tensor, factors: Tensor) -> Tensor:
    """Return |correlation| of each factor with its own unit, (f,), matched so that the sum is largest.

    Outliers are `fenced`. The matching is the Hungarian method's. 0 where the unit is constant, or where there are too few
    units. Hyvarinen & Morioka 2016, https://arxiv.org/abs/1605.06336.
    """
    from scipy.optimize import linear_sum_assignment

    z, f = (_standardized(fenced(v)) for v in (codes, factors))
    size = (f.t() @ z / len(z)).abs()
    rows, columns = linear_sum_assignment(size.numpy(), maximize=True)
    correlations = torch.zeros(len(size), dtype=size.dtype)
    correlations[rows] = size[rows, columns]
    return correlations


def separated(codes: Tensor, factors: Tensor) -> float:
    """Return SAP = mean_f (s_1 - s_2), the scores of the two units that predict f best alone.

    s is the squared correlation, or for a factor with at most 20 values the balanced accuracy of as many intervals of the unit
    as there are values, fitted on the first half and tested on the second; outliers are `fenced`. Kumar, Sattigeri &
    Balakrishnan 2018, https://arxiv.org/abs/1711.00848.
    """
    gaps = []
    z = _standardized(fenced(codes))
    for factor in factors.t():
        numbers = values(factor)
        if numbers is None:
            scores = (_standardized(fenced(factor[:, None])).t() @ z / len(z)).square()[0]
        else:
            scores = torch.tensor([_intervals(unit[:, None].numpy(), numbers.numpy()) for unit in z.t()])
        best = torch.cat([scores.double(), scores.new_zeros(1).double()]).topk(2).values
        gaps.append(best[0] - best[1])
    return float(torch.stack(gaps).mean())


def _intervals(unit: NDArray[np.float64], truth: NDArray[np.int64]) -> float:
    from sklearn.tree import DecisionTreeClassifier

    half, count = len(truth) // 2, len(np.unique(truth))
    tree = DecisionTreeClassifier(max_leaf_nodes=max(2, count), class_weight="balanced", random_state=0)
    right = tree.fit(unit[:half], truth[:half]).predict(unit[half:]) == truth[half:]
    return float(np.mean([right[truth[half:] == c].mean() for c in np.unique(truth[half:])]))


def dci(codes: Tensor, factors: Tensor) -> dict[str, float]:
    """Return dci (disentanglement), completeness and informativeness.

    They come from the importances R (d, f) of units in forests that predict each factor from the code, fitted on the first half
    and tested on the second; outliers of factors are `fenced`. dci = sum_j w_j (1 - H(R_j. / sum) / log f), w_j the share of
    unit j in all importances; completeness = mean_f (1 - H(R_.f / sum) / log d); informativeness: the mean accuracy, or R^2 of
    factors with more than 20 values, at least 0. Eastwood & Williams 2018, https://openreview.net/forum?id=By-7dz-AZ (there
    with lasso and forests, on their own data).
    """
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    x, half, importances, scores = codes.double().numpy(), len(codes) // 2, [], []
    for factor in factors.t():
        numbers = values(factor)
        y = fenced(factor[:, None])[:, 0].numpy() if numbers is None else numbers.numpy()
        kind = RandomForestRegressor if numbers is None else RandomForestClassifier
        # Every split chooses among all units: a random subset without the right one would credit the others.
        forest = kind(_TREES, min_samples_leaf=_LEAST, max_features=None, random_state=0).fit(x[:half], y[:half])
        importances.append(torch.from_numpy(forest.feature_importances_))
        scores.append(max(0.0, float(forest.score(x[half:], y[half:]))))
    r = torch.stack(importances, 1)
    weight = r.sum(1) / r.sum().clamp_min(1e-12)
    return {
        "dci": float((weight * _purity(r)).sum()),
        "completeness": float(_purity(r.t()).mean()),
        "informativeness": float(np.mean(scores)),
    }


def _purity(r: Tensor) -> Tensor:
    """Return 1 - H / log m of each row of (n, m); 0 for a row of zeros, 1 where m = 1."""
    if r.shape[1] < 2:
        return torch.ones(len(r), dtype=r.dtype)
    total = r.sum(1, keepdim=True)
    entropy = torch.special.entr(r / total.clamp_min(1e-12)).sum(1) / torch.tensor(float(r.shape[1]), dtype=r.dtype).log()
    return torch.where(total[:, 0] > 1e-12, 1 - entropy, 0)


def values(factor: Tensor) -> Tensor | None:
    """Return the numbers (n,) of the values of a factor that has at most 20 different values; None for others."""
    different, numbers = factor.unique(return_inverse=True)
    return numbers if len(different) <= _BINS else None


def fenced(v: Tensor) -> Tensor:
    """Return columns (n, d) in 64 bits, values beyond 5 interquartile ranges from the median drawn in to that distance.

    A correlation would otherwise be that of a single outlier. Columns half of whose values are the same stay as they are.
    """
    v = v.double()
    low, middle, high = torch.quantile(v, torch.tensor([0.25, 0.5, 0.75], dtype=v.dtype), dim=0)
    reach = torch.where(high > low, _FAR * (high - low), torch.inf)
    return torch.minimum(torch.maximum(v, middle - reach), middle + reach)


def _standardized(v: Tensor) -> Tensor:
    centred = v - v.mean(0)
    return centred / centred.square().mean(0).sqrt().clamp_min(1e-9)


def _bins(z: Tensor) -> Tensor:
    """Return the number of each value's bin, 0 to 19; bins hold equally many different values.

    With bins of equal width all but one would be empty where a single value is far off; bins of equally many samples would hide
    a unit that is 0 nearly always.
    """
    inner = torch.linspace(0, 1, _BINS + 1, dtype=z.dtype)[1:-1]
    return torch.searchsorted(torch.quantile(z.unique(), inner), z.contiguous(), right=True)


def _information(a: Tensor, b: Tensor) -> float:
    """Return the mutual information, in nats, of two vectors of small whole numbers."""
    from sklearn.metrics import mutual_info_score

    return float(mutual_info_score(a.numpy(), b.numpy()))
