"""What few labels say of codes when a classifier also sees the codes that have none."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from torch import Generator, Tensor

from aerun.core.errors import AerunError
from aerun.dataset.splits import Data
from aerun.metrics.few_labels import drawn
from aerun.metrics.neighbours import nearest
from aerun.trained import Trained

_LABELS, _DRAWS, _SEED = 100, 10, 20063  # as many, drawn in the same way, as `evaluate=[probe]`
_NEAR, _STAY, _STEPS = 10, 0.99, 100  # neighbours of a code; share of a step that comes from them

Array = NDArray[np.float32]


def measure(trained: Trained) -> dict[str, float]:
    """Return acc_100: the accuracy on the test split with 100 labels, as many of each class, mean of 10 draws.

    Labels spread over the graph of the 10 nearest neighbours of all training codes, F <- 0.99 S F + 0.01 Y with
    S = D^-1/2 A D^-1/2, for 100 steps; a test sample is given the class for which its 10 nearest training codes vote. The 0.99
    is that of Zhou et al. 2003, https://papers.nips.cc/paper/2506-learning-with-local-and-global-consistency. sd: over the
    draws. pca_100: the same on PCA with as many numbers. AerunError for data without labels, or with too few of a class.
    """
    data = trained.data
    if data.train.y is None or data.test.y is None:
        raise AerunError("measures: spread_labels: needs a data set with labels.")
    classes, sizes = data.train.y.unique(return_counts=True)
    if len(classes) > _LABELS or int(sizes.min()) < _LABELS // len(classes) or len(data.train) <= _NEAR:
        raise AerunError(f"measures: spread_labels: needs {_LABELS} labels, as many of each class.")
    model = _accuracies(trained.codes(data.train), trained.codes(data.test), data)
    base, test = (trained.pca.codes(trained.flat(split)) for split in (data.train, data.test))
    return {"acc_100": model.mean(), "sd": model.std(ddof=1), "pca_100": _accuracies(base, test, data).mean()}


def _accuracies(codes: Tensor, test: Tensor, data: Data) -> NDArray[np.float64]:
    """Return the accuracy of each draw of labels, (draws,); codes (n, d) of the training split, test (m, d)."""
    assert data.train.y is not None
    assert data.test.y is not None
    classes, y = data.train.y.unique(return_inverse=True)
    labels = _labels(y, len(classes))
    graph, told = _graph(nearest(codes, codes, _NEAR + 1)[:, 1:]), labels.reshape(len(codes), -1)
    spread = told
    for _ in range(_STEPS):
        spread = _STAY * (graph @ spread) + (1 - _STAY) * told
    shares = spread.reshape(labels.shape)
    shares = shares / np.maximum(shares.sum(2, keepdims=True), 1e-30)
    votes = np.zeros((len(test), *labels.shape[1:]), np.float32)
    for column in nearest(test, codes, _NEAR).cpu().numpy().T:
        votes += shares[column]
    right: NDArray[np.float64] = (classes.numpy()[votes.argmax(2)] == data.test.y.numpy()[:, None]).mean(0)
    return right


def _labels(y: Tensor, classes: int) -> Array:
    """Return one-hot rows (n, draws, classes) of the samples that a draw labels, 0 elsewhere; y (n,) in 0 .. classes - 1."""
    labels = np.zeros((len(y), _DRAWS, classes), np.float32)
    g = Generator().manual_seed(_SEED)
    for draw in range(_DRAWS):
        rows = drawn(y, torch.arange(classes), _LABELS // classes, g).flatten()
        labels[rows, draw, y[rows]] = 1
    return labels


def _graph(near: Tensor) -> sparse.csr_matrix:
    """Return D^-1/2 A D^-1/2, A_ij = 1 where j is among the neighbours (n, k) of i or i among those of j."""
    n, k = near.shape
    rows, columns = np.repeat(np.arange(n), k), near.cpu().numpy().ravel()
    one_way = sparse.csr_matrix((np.ones(n * k, np.float32), (rows, columns)), (n, n))
    both = one_way.maximum(one_way.T)
    scale = sparse.diags(1 / np.sqrt(np.asarray(both.sum(1), np.float32).ravel()))
    return (scale @ both @ scale).tocsr()
