"""Are a sparse code's atoms the features that the data are made of? Against PCA with as many numbers, and random atoms."""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.outcome import Outcome
from aerun.metrics import pca
from aerun.metrics.dictionary import Explained, closest, cosines, found, mcc
from aerun.trained import Trained

WHO = ("model", "pca", "random")
METRICS = {
    "l0": "min",
    "l0_q05": "",
    "l0_q50": "",
    "l0_q95": "",
    "density": "",
    "dead": "min",
    "dense": "min",
    "ev": "max",
    "gamma": "",
    "cosine": "min",
    "mcc_atoms": "max",
    "unique": "max",
    "f1": "max",
    "precision": "max",
    "recall": "max",
    "missed": "min",
}
_DENSE = 0.1  # share of samples beyond which a unit is dense
_COMPARED = 4096  # atoms that are compared with each other


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why there is no dictionary, or nothing: units must have an atom each, and samples must be whole."""
    if len(model.arch.decoder_weights()) != 1 or model.arch.grid:
        return "needs a decoder that is one affine map, whose columns are the atoms: model/arch=linear"
    if model.facts.ragged or model.preparation.keeps_gaps or model.facts.tokens:
        return "needs samples of one length and without missing values"
    return "" if model.loss.heads == 1 else "needs a loss that reads one value for each element, such as mse"


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return how sparse codes of test samples are, what they explain, and how near the atoms are to the true ones.

    l0: units on (not 0) for a sample, its mean and quantiles. density: the share of samples that the median unit of those ever
    on is on for; dead: share of units never on; dense: on for more than a tenth of samples. ev, gamma: see `Explained`.
    cosine: mean over units of the largest |cos| with another atom. With known atoms (dataset=features, dictionary) mcc_atoms,
    and with known codes unique, f1, precision, recall and missed, see `aerun.metrics.dictionary`.

    pca: as many components as l0, rounded. random: as many atoms in random directions.
    """
    split, truth = trained.data.test, trained.dataset.atoms()
    counts, fired, ons, explained = list[Tensor](), torch.zeros(()), list[Tensor](), Explained()
    for x, beside in trained.known_batches(split):
        z = trained.autoencoder.encode(x, **beside)
        on = (z != 0).cpu()
        explained.add(x, trained.autoencoder.decode(z, **beside, like=x))
        counts.append(on.sum(1))
        fired = fired + on.sum(0)
        if truth is not None:
            ons.append(on)
    atoms = trained.autoencoder.decoder_weights()[0].detach().cpu()
    figures = {**_sparsity(torch.cat(counts).double(), fired / len(split)), **explained.figures(), **_alike(atoms)}
    random = torch.randn(atoms.shape, generator=torch.Generator().manual_seed(trained.seed))
    rows = {"model": figures, "pca": _pca(trained, round(figures["l0"])), "random": _alike(random)}
    if truth is not None:
        rows["model"] |= _truth(trained, atoms, truth, torch.cat(ons))
        rows["random"]["mcc_atoms"] = mcc(cosines(random, truth))
    return Outcome(rows, _note(trained, int((fired == 0).sum()), len(fired), truth))


def _sparsity(counts: Tensor, density: Tensor) -> dict[str, float]:
    """Return figures of how many units are on for each sample (n,), and for which share of samples each unit is (d,)."""
    low, middle, high = (float(counts.quantile(q)) for q in (0.05, 0.5, 0.95))
    alive = density[density > 0]
    return {
        "l0": float(counts.mean()),
        "l0_q05": low,
        "l0_q50": middle,
        "l0_q95": high,
        "density": float(alive.median()) if len(alive) else 0.0,
        "dead": float((density == 0).double().mean()),
        "dense": float((density > _DENSE).double().mean()),
    }


def _alike(atoms: Tensor) -> dict[str, float]:
    """Return how near atoms are to their nearest others; of many, the first ones."""
    return {"cosine": float(closest(atoms[:, :_COMPARED]).mean())} if atoms.shape[1] > 1 else {}


def _pca(trained: Trained, components: int) -> dict[str, float]:
    """Return what as many principal components explain of test samples."""
    k = min(max(1, components), trained.autoencoder.facts.size)
    base, explained = pca.fit(lambda: trained.batches(trained.data.train), k), Explained()
    for x in trained.batches(trained.data.test):
        explained.add(x, base(x))
    return {"l0": float(k), **explained.figures()}


def _truth(trained: Trained, atoms: Tensor, truth: Tensor, on: Tensor) -> dict[str, float]:
    """Return the figures of atoms (D, d) and of which units are on (n, d), held against the truth."""
    similarity = cosines(atoms, truth)
    factors = trained.dataset.factors()
    own = {} if factors is None else found(on, factors.test.x > 0, similarity, trained.dataset.parents())
    return {"mcc_atoms": mcc(similarity), **own}


def _note(trained: Trained, dead: int, units: int, truth: Tensor | None) -> str:
    against = "no true atoms are known" if truth is None else f"{truth.shape[1]} true atoms"
    return f"{len(trained.data.test):,} test samples, {dead} of {units} units never on; {against}; pca has l0 components"
