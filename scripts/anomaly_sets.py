"""The sets of the ODDS collection (Rayana 2016), from files at hand: for `anomaly_benchmark.py`.

With a folder of the collection's own MAT files, all of them. Without it those that other packages hold: wbc from scikit-learn;
shuttle from $AERUN_DATA/tabular/shuttle.csv.gz; satellite, satimage-2, optdigits, pima and ionosphere from a folder of KEEL's
.dat files. Of optdigits and satimage-2 ODDS keeps some of one class as anomalies and does not say which: here they are drawn.
"""

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Sets = dict[str, tuple[Array, Array]]

# The malignant rows of scikit-learn's breast_cancer that ODDS keeps; all benign ones are normal.
_WBC = (0, 9, 22, 26, 28, 30, 41, 91, 105, 108, 162, 182, 214, 236, 239, 369, 414, 468, 501, 536)


def at_hand(odds: Path | None, keel: Path | None) -> Sets:
    """Return X (n, D) and y (n,), True for anomalies, of every set that is there, by name."""
    found: Sets = {}
    for read in (
        _wbc,
        _shuttle,
        *([] if keel is None else [lambda: _keel(keel)]),
        *([] if odds is None else [lambda: _mat(odds)]),
    ):
        found |= read()  # ODDS's own files replace what stands for them
    return dict(sorted(found.items()))


def _wbc() -> Sets:
    from sklearn.datasets import load_breast_cancer

    x, benign = load_breast_cancer(return_X_y=True)
    kept = np.sort(np.concatenate([np.flatnonzero(benign == 1), np.array(_WBC)]))
    return {"wbc": (x[kept], benign[kept] == 0)}


def _shuttle() -> Sets:
    path = Path(os.environ.get("AERUN_DATA", "data")) / "tabular" / "shuttle.csv.gz"
    if not path.exists():
        return {}
    with gzip.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", skiprows=1)
    return {"shuttle": (rows[:, :-1], rows[:, -1] == 1)}


def _mat(folder: Path) -> Sets:
    from scipy.io import loadmat

    found: Sets = {}
    for path in sorted(folder.glob("*.mat")):
        content = loadmat(path)
        if {"X", "y"} <= content.keys():
            found[path.stem] = (np.asarray(content["X"], dtype=np.float64), content["y"].ravel() == 1)
    return found


def _keel(folder: Path) -> Sets:
    """Return the sets of .dat files, wherever below the folder they are."""
    anomalies: dict[str, tuple[str, Callable[[Array], Array], int | None]] = {
        "optdigits": ("optdigits", lambda y: y == "0", 150),
        "satellite": ("satimage", lambda y: np.isin(y, ("2", "4", "5")), None),
        "satimage-2": ("satimage", lambda y: y == "2", 71),
        "pima": ("pima", lambda y: y == "tested_positive", None),
        "ionosphere": ("ionosphere", lambda y: y == "b", None),
    }
    found: Sets = {}
    for name, (file, rule, kept) in anomalies.items():
        path = next(iter(sorted(folder.rglob(f"{file}.dat"))), None)
        if path is None:
            continue
        lines = [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("@")]
        rows = [[cell.strip() for cell in line.split(",")] for line in lines]
        x, y = np.array([row[:-1] for row in rows], dtype=np.float64), rule(np.array([row[-1] for row in rows]))
        if kept is not None:
            left = np.sort(np.concatenate([np.flatnonzero(~y), np.random.default_rng(0).permutation(np.flatnonzero(y))[:kept]]))
            x, y = x[left], y[left]
        found[name] = (x, y)
    return found
