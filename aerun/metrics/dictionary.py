"""Whether a dictionary is the one that samples were made of: its atoms and codes against the truth, and what it explains."""

from dataclasses import dataclass, field

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn.functional import normalize


@dataclass
class Explained:
    """How much of samples reconstructions explain, from batches of both.

    ev = 1 - sum ||x - x_hat||^2 / sum ||x - mean||^2, and gamma = sum ||x_hat^c||^2 / sum x_hat^c . x^c, c: about the samples'
    mean: below 1 where reconstructions are shrunk, whatever the mean is.
    """

    n: int = 0
    sums: Tensor = field(default_factory=lambda: torch.zeros(()))

    def add(self, x: Tensor, x_hat: Tensor) -> None:
        """Count a batch of samples and their reconstructions, (B, D)."""
        x, x_hat = x.double().flatten(1).cpu(), x_hat.double().flatten(1).cpu()
        squares = [(x_hat - x).square().sum(), x.square().sum(), x_hat.square().sum(), (x * x_hat).sum()]
        self.n += len(x)
        self.sums = self.sums + torch.cat([torch.stack(squares), x.sum(0), x_hat.sum(0)])

    def figures(self) -> dict[str, float]:
        """Return ev and gamma."""
        (error, own, theirs, product), (mean, mean_hat) = self.sums[:4], (self.sums[4:] / self.n).chunk(2)
        spread = own - self.n * mean.dot(mean)
        length = theirs - 2 * self.n * mean.dot(mean_hat) + self.n * mean.dot(mean)
        along = product - self.n * mean.dot(mean_hat)
        return {"ev": float(1 - error / spread), "gamma": float(length / along)}


def cosines(atoms: Tensor, truth: Tensor) -> Tensor:
    """Return |cos| of each atom (D, d) with each true one (D, N): (d, N)."""
    return (normalize(atoms.double(), dim=0).t() @ normalize(truth.double(), dim=0)).abs()


def mcc(similarity: Tensor) -> float:
    """Return the mean |cos| (d, N) of a one-to-one matching that makes it largest, over the N true atoms.

    An atom that is there twice counts once; a true one for which no atom is left counts 0.
    """
    rows, columns = linear_sum_assignment(similarity.numpy(), maximize=True)
    return float(similarity[rows, columns].sum() / similarity.shape[1])


def matched(atoms: Tensor, others: Tensor) -> Tensor:
    """Return |cos| of the pairs of a one-to-one matching of atoms (D, d) with others (D, e) that makes their sum largest."""
    similarity = cosines(atoms, others)
    rows, columns = linear_sum_assignment(similarity.numpy(), maximize=True)
    return similarity[rows, columns]


def closest(atoms: Tensor) -> Tensor:
    """Return for each atom (D, d) the largest |cos| with another one, (d,)."""
    similarity = cosines(atoms, atoms)
    return similarity.fill_diagonal_(0).amax(1)


def found(on: Tensor, truth: Tensor, similarity: Tensor, parents: Tensor | None) -> dict[str, float]:
    """Return how well units say which features fire: unique, f1, precision, recall and, where features have parents, missed.

    on (n, d), truth (n, N) bool; similarity (d, N): see `cosines`. Each unit that is ever on is held against the feature that
    its atom is nearest to; f1, precision and recall are means over these units, unique the number of different features over
    theirs. missed: of the samples in which a parent and a child of it fire, the share for which the best unit of the parent
    is off (absorption).
    """
    alive = on.any(0)
    if not alive.any():
        return {}
    units, similarity = on[:, alive].double(), similarity[alive]
    best = similarity.argmax(1)
    features = truth[:, best].double()
    both, fired, there = (units * features).sum(0), units.sum(0), features.sum(0)
    figures = {
        "unique": len(best.unique()) / len(best),
        "f1": float((2 * both / (fired + there)).mean()),
        "precision": float((both / fired).mean()),
        "recall": float((both / there.clamp_min(1)).mean()),
    }
    share = None if parents is None else missed(units.bool(), truth, similarity, parents)
    return figures if share is None else {**figures, "missed": share}


def missed(on: Tensor, truth: Tensor, similarity: Tensor, parents: Tensor) -> float | None:
    """Return the share of samples with a parent and a child of it for which the parent's best unit is off; None without any."""
    with_child = torch.zeros_like(truth)
    for feature, parent in enumerate(parents.tolist()):
        if parent >= 0:
            with_child[:, parent] |= truth[:, feature] & truth[:, parent]
    cases = int(with_child.sum())
    best = similarity.argmax(0)  # the unit of each feature
    return float((with_child & ~on[:, best]).sum() / cases) if cases else None
