"""Are a sparse code's atoms the features that the data are made of? Against PCA with as many numbers, and random atoms."""

from collections.abc import Iterator

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset, Split
from aerun.evaluate.cost import cost_of
from aerun.evaluate.outcome import Outcome
from aerun.metrics import pca
from aerun.metrics.dictionary import Explained, closest, cosines, found, mcc
from aerun.trained import Trained

WHO = ("model", "pca", "linear", "skip", "random")
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
    "ce": "",
    "ce_added": "min",
    "recovered": "max",
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

    Of a run with regularizer=downstream, ce is the cross-entropy of what stands behind on the activations themselves, against
    its labels where the data have as many classes as it has answers, else against its own; ce_added what it is more on
    reconstructions; recovered (CE_0 - CE_x_hat) / (CE_0 - CE_x), CE_0 on zeros in place of activations.

    pca: as many components as l0, rounded. random: as many atoms in random directions.
    Of a model that computes other activations than it reads (`dataset.target`) all this is said of those. pca then reads the
    target itself; linear: the best affine map from what is read, without a code; skip: the model's own map past the code.
    """
    split, truth = trained.data.test, trained.dataset.atoms()
    counts, fired, ons, explained = list[Tensor](), torch.zeros(()), list[Tensor](), Explained()
    cost = cost_of(trained)
    for x, beside in trained.known_batches(split):
        z = trained.autoencoder.encode(x, **beside)
        x_hat, on = trained.autoencoder.decode(z, **beside, like=x), (z != 0).cpu()
        explained.add(_written(trained, x), _written(trained, x_hat))
        if cost is not None:
            cost.add(x, x_hat)
        counts.append(on.sum(1))
        fired = fired + on.sum(0)
        if truth is not None:
            ons.append(on)
    atoms = trained.autoencoder.decoder_weights()[0].detach().cpu()
    figures = {**_sparsity(torch.cat(counts).double(), fired / len(split)), **explained.figures(), **_alike(atoms)}
    figures |= {} if cost is None else cost.figures()
    random = torch.randn(atoms.shape, generator=torch.Generator().manual_seed(trained.seed))
    rows = {"model": figures, "pca": _pca(trained, round(figures["l0"])), **_maps(trained), "random": _alike(random)}
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


def _written(trained: Trained, x: Tensor) -> Tensor:
    """Return of samples (B, D) what the model writes."""
    return x[:, trained.autoencoder.facts.source :] if trained.autoencoder.facts.source else x


def _pca(trained: Trained, components: int) -> dict[str, float]:
    """Return what as many principal components explain of test samples."""

    def written(split: Split) -> Iterator[Tensor]:
        return (_written(trained, x) for x in trained.batches(split))

    facts = trained.autoencoder.facts
    k = min(max(1, components), facts.size - facts.source)
    base, explained, cost = pca.fit(lambda: written(trained.data.train), k), Explained(), cost_of(trained)
    for x in trained.batches(trained.data.test):
        x_hat = base(_written(trained, x))
        explained.add(_written(trained, x), x_hat)
        if cost is not None:
            cost.add(x, torch.cat([x[:, : facts.source], x_hat.to(x)], 1))
    return {"l0": float(k), **explained.figures(), **({} if cost is None else cost.figures())}


def _maps(trained: Trained) -> dict[str, dict[str, float]]:
    """Return what the best affine map from what is read explains, and what the model's own past the code does."""
    model = trained.autoencoder
    if not (source := model.facts.source):
        return {}
    best, own = Explained(), Explained()
    products = sums = torch.zeros(())
    for x in trained.batches(trained.data.train):
        rows = torch.cat([x.double(), torch.ones(len(x), 1, dtype=torch.float64, device=x.device)], 1)
        read = torch.cat([rows[:, :source], rows[:, -1:]], 1)
        products, sums = products + read.t() @ read, sums + read.t() @ rows[:, source:-1]
    weights = torch.linalg.lstsq(products.cpu(), sums.cpu(), driver="gelsd").solution
    for x, beside in trained.known_batches(trained.data.test):
        read = torch.cat([x[:, :source].double().cpu(), torch.ones(len(x), 1, dtype=torch.float64)], 1)
        best.add(_written(trained, x), read @ weights)
        if model.arch.skip:
            none = torch.zeros(len(x), model.bottleneck.latent_dim, dtype=x.dtype, device=x.device)
            own.add(_written(trained, x), _written(trained, model.decode(none, **beside)))
    return {"linear": best.figures(), **({"skip": own.figures()} if own.n else {})}


def _truth(trained: Trained, atoms: Tensor, truth: Tensor, on: Tensor) -> dict[str, float]:
    """Return the figures of atoms (D, d) and of which units are on (n, d), held against the truth."""
    similarity = cosines(atoms, truth)
    factors = trained.dataset.factors()
    own = {} if factors is None else found(on, factors.test.x > 0, similarity, trained.dataset.parents())
    return {"mcc_atoms": mcc(similarity), **own}


def _note(trained: Trained, dead: int, units: int, truth: Tensor | None) -> str:
    against = "no true atoms are known" if truth is None else f"{truth.shape[1]} true atoms"
    target = "; pca reads the target itself" if trained.autoencoder.facts.source else ""
    return (
        f"{len(trained.data.test):,} test samples, {dead} of {units} units never on; {against}; pca has l0 components{target}"
    )
