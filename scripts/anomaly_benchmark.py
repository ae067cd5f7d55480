"""Anomaly detection on the sets of ODDS: `python scripts/anomaly_benchmark.py [--odds DIR] [--keel DIR] --output FILE.md`.

Protocols: U, a random 60 % of all rows trains, anomalies among them, and the rest is tested (as PyOD does it); N, 60 % of the
normal rows train, and the other rows, all anomalies among them, are tested. Columns are standardized on training rows; the
figure is the area under the ROC curve on test rows, its mean over the seeds, which draw the split and the weights.

Rows: none, ||x||^2, no model at all; pca, the error of PCA with 70 % of the variance; mahalanobis (shrunk, Ledoit & Wolf);
iforest; knn, the distance to the fifth nearest training row; ocsvm, on at most 2,500 rows; ae, aerun's model=ae through
`aerun.sklearn.AnomalyDetector`, with a code as large as PCA's, 1,000 steps, 15 % of the training rows held out; its code by
the judges code_knn and code_mixture (`score --by`); rank, the mean rank of pca, mahalanobis, iforest, knn and ae.
Finished figures are kept beside the output, and not computed again.
"""

import argparse
import json
import math
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from anomaly_sets import Array, Sets, at_hand
from scipy.stats import rankdata
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from aerun.core.logs import quiet_aerun
from aerun.sklearn import AnomalyDetector

SHARE, STEPS, SVM_ROWS = 0.6, 1000, 2500
ROWS = ("none", "pca", "mahalanobis", "iforest", "knn", "ocsvm", "ae", "code_knn", "code_mixture", "rank")
TOGETHER = ("pca", "mahalanobis", "iforest", "knn", "ae")
PROTOCOLS = ("U", "N")


def split(y: Array, protocol: str, seed: int) -> tuple[Array, Array]:
    """Return the numbers of training rows and of test rows; y (n,) is True for anomalies."""
    order = np.random.default_rng(seed).permutation(len(y))
    pool = order if protocol == "U" else order[~y[order]]
    train = pool[: round(SHARE * len(pool))]
    return train, np.setdiff1d(order, train)


def pca_of(train: Array) -> PCA:
    """Return PCA with as many components as hold 70 % of the variance."""
    return PCA(0.7, svd_solver="full").fit(train)


def of_pca(train: Array, test: Array) -> Array:
    """Return the squared errors of its reconstructions."""
    pca = pca_of(train)
    return np.square(test - pca.inverse_transform(pca.transform(test))).sum(1)


def classical(seed: int) -> dict[str, Callable[[Array, Array], Array]]:
    """Return what gives test rows a score, higher for unusual ones, after it has seen training rows."""

    def svm(train: Array, test: Array) -> Array:
        rows = np.random.default_rng(seed).permutation(len(train))[:SVM_ROWS]
        return -OneClassSVM(gamma="scale").fit(train[rows]).score_samples(test)

    return {
        "none": lambda train, test: np.square(test).sum(1),
        "pca": of_pca,
        "mahalanobis": lambda train, test: LedoitWolf().fit(train).mahalanobis(test),
        "iforest": lambda train, test: -IsolationForest(random_state=seed).fit(train).score_samples(test),
        "knn": lambda train, test: NearestNeighbors(n_neighbors=5).fit(train).kneighbors(test)[0][:, -1],
        "ocsvm": svm,
    }


def network(train: Array) -> tuple[int, list[int], int]:
    """Return the size of the code, the hidden layers and the batch of an autoencoder of these rows."""
    width = min(512, max(32, 2 ** math.ceil(math.log2(2 * train.shape[1]))))
    return int(pca_of(train).n_components_), [width, width // 2], int(min(128, max(16, len(train) // 20)))


def of_autoencoder(train: Array, test: Array, seed: int, more: tuple[str, ...] = ()) -> dict[str, Array]:
    """Return the scores of an autoencoder by its error and by its code."""
    size, hidden, batch = network(train)
    settings = [
        "evaluate=[]",
        f"model.arch.hidden=[{','.join(map(str, hidden))}]",
        f"trainer.batch_size={batch}",
        f"trainer.max_steps={STEPS}",
        *more,
    ]
    with tempfile.TemporaryDirectory() as folder:
        detector = AnomalyDetector(latent_dim=size, overrides=settings, folder=folder, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            detector.fit(train)
        model = detector.model_
        scores = {"ae": model.score(test)}
        scores |= {name: model.by(name, folder).score(test) for name in ("code_knn", "code_mixture")}
    return {k: np.asarray(v) for k, v in scores.items()}


def figures(x: Array, y: Array, protocol: str, seed: int) -> dict[str, float]:
    """Return the area under ROC of each row of the table."""
    rows, tested = split(y, protocol, seed)
    scale = StandardScaler().fit(x[rows])
    train, test = scale.transform(x[rows]), scale.transform(x[tested])
    scores = {name: score(train, test) for name, score in classical(seed).items()}
    scores |= of_autoencoder(train, test, seed)
    scores["rank"] = np.mean([rankdata(scores[name]) for name in TOGETHER], axis=0)
    return {name: float(roc_auc_score(y[tested], score)) for name, score in scores.items()}


def measured(sets: Sets, seeds: int, kept: Path) -> dict[str, dict[str, float]]:
    """Return the figures of every set, protocol and seed, by `SET PROTOCOL SEED`; those in `kept` are taken from there."""
    known: dict[str, dict[str, float]] = json.loads(kept.read_text()) if kept.exists() else {}
    for seed in range(seeds):
        for name, (x, y) in sets.items():
            for protocol in PROTOCOLS:
                key = f"{name} {protocol} {seed}"
                if key not in known:
                    known[key] = figures(x, y, protocol, seed)
                    print(key, " ".join(f"{k} {v:.3f}" for k, v in known[key].items()), flush=True)
                    kept.write_text(json.dumps(known, indent=1))
    return {key: value for key, value in known.items() if key.split()[0] in sets and int(key.split()[2]) < seeds}


def write(sets: Sets, folder: Path) -> None:
    """Write protocol N of seed 0 of each set, for `aerun experiment E59`: x, y and test_x, test_y, not standardized."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (x, y) in sets.items():
        rows, tested = split(y, "N", 0)
        np.savez(folder / f"{name}.npz", x=x[rows], y=y[rows].astype(int), test_x=x[tested], test_y=y[tested].astype(int))
        size, hidden, batch = network(StandardScaler().fit_transform(x[rows]))
        print(f"{name}: model.latent_dim={size} model.arch.hidden={hidden} trainer.batch_size={batch}")


def page(known: dict[str, dict[str, float]], sets: Sets, seeds: int) -> str:
    """Return the tables in words."""
    lines = [
        f"Area under ROC, mean over seeds 0 to {seeds - 1}, of {len(sets)} sets: {', '.join(sets)}.",
        "",
        f"| | {' | '.join(ROWS)} |",
        f"|---|{'---|' * len(ROWS)}",
    ]

    def mean(names: Any, protocol: str, row: str) -> float:
        return float(np.mean([known[f"{name} {protocol} {seed}"][row] for name in names for seed in range(seeds)]))

    for protocol in PROTOCOLS:
        lines.append(f"| **{protocol}, mean of all sets** | {' | '.join(f'{mean(sets, protocol, r):.3f}' for r in ROWS)} |")
    for protocol in PROTOCOLS:
        lines += [f"| {name}, {protocol} | {' | '.join(f'{mean([name], protocol, r):.3f}' for r in ROWS)} |" for name in sets]
    gains = [mean(sets, "N", "ae") - mean(sets, "N", "pca"), mean(sets, "N", "ae") - mean(sets, "N", "knn")]
    best = max(mean(sets, "U", r) for r in ROWS) - mean(sets, "U", "iforest")
    lines += [
        "",
        f"N: ae less pca {gains[0]:+.3f} (required: 0.01 or more); less knn {gains[1]:+.3f}. "
        f"U: the best row less iforest {best:+.3f}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure what is at hand, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--odds", type=Path, help="folder with the collection's own MAT files")
    parser.add_argument("--keel", type=Path, help="folder with KEEL's .dat files")
    parser.add_argument("--write", type=Path, help="write the splits of protocol N here, for aerun experiment E59, and end")
    parser.add_argument("--sets", nargs="+", help="only these")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=Path("anomaly.md"))
    args = parser.parse_args()
    sets = at_hand(args.odds, args.keel)
    sets = {k: v for k, v in sets.items() if args.sets is None or k in args.sets}
    if args.write is not None:
        write(sets, args.write)
        return
    with quiet_aerun():
        known = measured(sets, args.seeds, args.output.with_suffix(".json"))
    args.output.write_text(page(known, sets, args.seeds))
    print(args.output.read_text())


if __name__ == "__main__":
    main()
