"""Does the code keep who is near whom? Neighbours in the code against neighbours in the data."""

from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Split
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.subset import subsample
from aerun.metrics.neighbours import nearest, trustworthiness, voted
from aerun.trained import Trained

WHO = ("model", "pca", "raw")
METRICS = {"trustworthiness": "max", "continuity": "max", "knn": "max"}
_MOST, _KNOWN, _K, _VOTES = 5000, 10_000, 12, 10


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return nothing: every model and all data can be asked."""
    return ""


def evaluate(trained: Trained) -> Outcome:
    """Return trustworthiness and continuity of the code, and knn where there are labels.

    See `aerun.metrics.neighbours`, k = 12, Euclidean distances, at most 5,000 test samples; raw data have 1 by definition. knn:
    accuracy of the vote of the 10 nearest of at most 10,000 training samples. Raises AerunError for fewer than 26 test samples.
    """
    size, data = max(trained.autoencoder.facts.size, trained.autoencoder.code_elements), trained.data
    test, train = subsample(data.test, _MOST, size), subsample(data.train, _KNOWN, size)
    if len(test) <= 2 * _K:
        raise AerunError(f"{len(test)} test samples: 12 neighbours of each need at least {2 * _K + 2}.")
    labels = trained.dataset.facts().classes is not None and train.y is not None and not trained.dataset.label_told
    reference = _spaces(trained, train) if labels else {}
    figures: dict[str, dict[str, float]] = {}
    spaces = _spaces(trained, test)
    for who, z in spaces.items():
        pairs = {} if who == "raw" else _kept(spaces["raw"], z)
        figures[who] = pairs | ({"knn": _knn(z, reference[who], train.y, test.y)} if labels else {})
    voters = f"; knn: the vote of the {_VOTES} nearest of {len(train):,} training samples" if labels else ""
    nonempty = {who: row for who, row in figures.items() if row}
    return Outcome(nonempty, f"{len(test):,} test samples, {_K} neighbours, no draws{voters}")


def _spaces(trained: Trained, split: Split) -> dict[str, Tensor]:
    flat = trained.flat(split)
    return {"model": trained.codes(split).to(flat.dtype), "pca": trained.pca.codes(flat), "raw": flat}


def _kept(x: Tensor, z: Tensor) -> dict[str, float]:
    return {"trustworthiness": trustworthiness(x, z, _K), "continuity": trustworthiness(z, x, _K)}


def _knn(z: Tensor, reference: Tensor, y: Tensor | None, truth: Tensor | None) -> float:
    assert y is not None
    assert truth is not None
    near = nearest(z, reference, min(_VOTES, len(reference)))
    votes = voted(near, y.long().to(near.device))
    return float((votes.cpu() == truth.long().cpu()).double().mean())
