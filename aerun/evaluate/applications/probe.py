"""How much does the code help where only few labels are known? Frozen codes, simple classifiers, 10 to 1,000 labels."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import relu

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.dataset.splits import Split
from aerun.evaluate.outcome import Outcome, averaged
from aerun.evaluate.subset import subsample
from aerun.metrics.few_labels import drawn, logistic, paired
from aerun.metrics.neighbours import nearest
from aerun.trained import Trained

_NEAR = ("model", "raw", "pca")
WHO = ("model", "raw", "pca", "random_projection", "random_relu", *(f"{who}_nn" for who in _NEAR))
COUNTS = (10, 50, 100, 500, 1000)
METRICS = {f"acc_{count}": "max" for count in COUNTS}
_MOST, _DRAWS, _SEED = 4000, 10, 20063

Space = Callable[[Split], Tensor]
Draw = dict[str, dict[str, float]]


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why no classifier can be trained here, or nothing: labels of more than one class are needed."""
    if dataset.facts().classes is None:
        return "needs labels"
    if dataset.label_told:
        return dataset.label_told
    return (
        "needs training samples of every class, which dataset.normal leaves out" if dataset.normal_classes is not None else ""
    )


def evaluate(trained: Trained) -> Outcome:
    """Return acc_N, the accuracy with N labels, with gain_N and p_N against the samples themselves.

    The labels are as many of each class (N over the classes, rounded down), drawn 10 times from the training split; a draw of
    fewer labels is part of that of more. N goes as far as every class has so many samples. At most 4,000 test samples.

    Rows, by logistic regression (see `aerun.metrics.few_labels`): raw, the sample itself; pca, random_projection (x - m) W and
    random_relu max((x - m) W, 0): as many numbers as the code's, m the training mean, W Gaussian. Rows with _nn: the class of
    the nearest labelled sample. gain_N and p_N: mean difference of acc_N to raw over the paired draws, and the p-value of their
    t-test. Raises AerunError where there are not enough labels for the smallest N.
    """
    train, size = trained.data.train, max(trained.autoencoder.facts.size, trained.autoencoder.code_elements)
    assert train.y is not None
    y = train.y.long()
    classes, sizes = y.unique(return_counts=True)
    counts = [n for n in COUNTS if len(classes) <= n <= len(classes) * int(sizes.min())]
    if len(classes) < 2 or not counts:
        raise AerunError(f"{len(classes)} classes, {int(sizes.min())} training samples of the rarest: too few to learn.")
    spaces, test = _spaces(trained), subsample(trained.data.test, _MOST, size)
    embedded = {who: space(test) for who, space in spaces.items()}
    g = Generator().manual_seed(_SEED)
    draws: list[Draw] = []
    for _ in range(_DRAWS):
        rows = drawn(y, classes, counts[-1] // len(classes), g).flatten()
        draws.append(_draw({w: space(train.take(rows)) for w, space in spaces.items()}, y[rows], embedded, test, counts))
    gains = {who: _gains(draws, who, counts) for who in spaces if who != "raw"}
    outcome = averaged(draws, _note(gains["model"], counts, len(test)))
    return Outcome({who: {**row, **gains.get(who, {})} for who, row in outcome.figures.items()}, outcome.note, outcome.spread)


def _spaces(trained: Trained) -> dict[str, Space]:
    flat = trained.mean.flatten()
    weights = torch.randn(len(flat), trained.autoencoder.code_elements, generator=Generator().manual_seed(_SEED)).to(flat)
    weights = weights / len(flat) ** 0.5
    return {
        "model": trained.codes,
        "raw": trained.flat,
        "pca": lambda split: trained.pca.codes(trained.flat(split)),
        "random_projection": lambda split: (trained.flat(split) - flat) @ weights,
        "random_relu": lambda split: relu((trained.flat(split) - flat) @ weights),
    }


def _draw(labelled: dict[str, Tensor], y: Tensor, embedded: dict[str, Tensor], test: Split, counts: list[int]) -> Draw:
    """Return the accuracies of one draw in all spaces.

    labelled: who -> (n, D), its rows in the order of `drawn`; y (n,): their classes. embedded: who -> the test samples.
    """
    assert test.y is not None
    truth, classes = test.y.long().cpu().numpy(), len(y.unique())
    figures: Draw = {}
    for who, x in labelled.items():
        a, b = x.double().cpu().numpy(), embedded[who].double().cpu().numpy()
        rows = {n: n // classes * classes for n in counts}
        figures[who] = {f"acc_{n}": logistic(a[:r], y[:r].cpu().numpy(), b, truth) for n, r in rows.items()}
        if who in _NEAR:
            near = {n: y[nearest(embedded[who], x[:r], 1)[:, 0].cpu()].numpy() for n, r in rows.items()}
            figures[f"{who}_nn"] = {f"acc_{n}": float((guess == truth).mean()) for n, guess in near.items()}
    return {who: figures[who] for who in WHO}


def _gains(draws: list[Draw], who: str, counts: list[int]) -> dict[str, float]:
    """Return gain_N and p_N of `who` against raw."""
    figures = {}
    for n in counts:
        own, raw = ([draw[w][f"acc_{n}"] for draw in draws] for w in (who, "raw"))
        figures[f"gain_{n}"], figures[f"p_{n}"] = paired(own, raw)
    return figures


def _note(gains: dict[str, float], counts: list[int], tested: int) -> str:
    words = ", ".join(f"{100 * gains[f'gain_{n}']:+.1f} with {n} labels (p = {gains[f'p_{n}']:.2g})" for n in counts)
    return (
        f"{tested:,} test samples; mean and deviation of {_DRAWS} draws of labels from the training split, the same for all; "
        f"logistic regression, model less raw, in points: {words}"
    )
