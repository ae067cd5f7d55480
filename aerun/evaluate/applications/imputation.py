"""How well are missing cells of a table filled in? Judged on cells that are hidden from rows that say what they were."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.dataset.base import Dataset
from aerun.evaluate.imputing import Cells, cells, filled, fills_holes, weighs_codes
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.subset import subsample
from aerun.metrics.gaussian_em import fit
from aerun.metrics.imputers import Imputer, imputers
from aerun.trained import Trained

WHO = ("model", "mean", "knn", "iterative", "gaussian")
_AT = ("10", "30", "50", "column", "block")
METRICS = {**{f"rmse_{at}": "min" for at in _AT}, "accuracy_30": "max", "coverage_30": ""}
NAMES = {
    "mean": "the training mean",
    "knn": "five neighbours",
    "iterative": "iterated regressions",
    "gaussian": "one Gaussian (EM)",
}
_MOST, _TRAINED, _CODES, _DRAWS = 500, 3000, 200, 100  # test rows, training rows of baselines, codes and draws of a row
_COLUMNS, _WIDEST, _WORK = 5, 256, 2e11  # columns that are missing in turn; elements of a Gaussian; steps of its fit
_INSIDE = 0.9  # share of cells that an interval is to hold
_SPOKEN = {
    **{f"rmse_{at}": f"{at} %" if at.isdigit() else f"a whole {at}" for at in _AT},
    "accuracy_30": "words",
}
_SAME = 0.005  # of two errors, relative: no one would call one of them better


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why no cells can be filled here, or nothing: it takes a table."""
    if model.facts.source:
        return "needs a model of whole samples, and this one computes other numbers of them (dataset.target)"
    return "" if dataset.facts().kind == "table" else "needs a table, whose cells can be missing one by one; see inpainting"


@dataclass(frozen=True)
class Rows:
    """Rows in elements (n, D) without marks of missing cells, in units of their deviation in training, and which are seen."""

    x: Tensor
    seen: Tensor


Answer = tuple[Tensor, Tensor | None, Tensor | None]  # values (n, D), and the ends of an interval of each, where there is one


class Table:
    """The columns of a table as elements: numbers, and runs of elements that are the words of a category."""

    def __init__(self, trained: Trained) -> None:
        model, preparation = trained.autoencoder, trained.autoencoder.preparation
        self.model = model
        owners = torch.arange(model.facts.size) if preparation.owners is None else preparation.owners.cpu()
        words = [len(f.words) for f in preparation.features if f.kind == "category"]
        marks = len(owners) - sum(words) - (len(preparation.columns) if preparation.features else len(owners))
        self.kept = len(owners) - marks
        self.numbers = self.kept - sum(words)
        ends = np.cumsum([self.numbers, *words])
        self.words = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        deviation = trained.variance[0, : self.kept].sqrt().cpu()
        self.scale = torch.where(deviation > 1e-9, deviation, 1.0)

    def of(self, x: Tensor) -> Tensor:
        """Return elements (n, D) in units of their deviation, 64-bit, without marks."""
        return x[:, : self.kept].double().cpu() / self.scale

    def rows(self, missing: Cells) -> Rows:
        """Return cells as baselines read them."""
        return Rows(self.of(missing.x), missing.seen[:, : self.kept].cpu())


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return rmse_10, rmse_30, rmse_50, rmse_column, rmse_block, accuracy_30 and coverage_30 of hidden cells of test rows.

    Of the cells that test rows have (500 rows at most), 10, 30 or 50 % are hidden at random; column: a whole column, each in
    turn (five where there are more); block: the same half of the columns, in every other row. rmse: of numbers, in units of
    their deviation in training, so that the mean has about 1. accuracy: share of words that are right. coverage: share of
    numbers inside of their 90 % interval, where one is known. Rows: model (200 codes a row, see `aerun.evaluate.imputing`);
    mean, or the most frequent word; knn, scikit-learn's KNNImputer of five neighbours; iterative, its IterativeImputer with
    Bayesian ridge; gaussian, the conditional mean of one Gaussian fitted by EM. These are fitted to training rows as they are,
    gaps included, 3,000 at most, and read words as numbers 0 and 1. AerunError where no test row has a number or a word.
    """
    table, test = Table(trained), subsample(trained.data.test, _MOST, trained.autoencoder.facts.size)
    train = _training(trained, table)
    ways = _ways(trained, table, train)
    stored = trained.autoencoder.facts.own(test.x).float()
    figures: dict[str, dict[str, float]] = {who: {} for who in ways}
    for at in _AT:
        errors: dict[str, list[Tensor]] = {who: [] for who in ways}
        for hidden in _hidings(stored, at):
            missing = cells(trained.autoencoder, test.x.to(trained.device), hidden.to(trained.device))
            truth = table.rows(
                cells(trained.autoencoder, test.x.to(trained.device), torch.zeros_like(hidden).to(trained.device))
            )
            judged = truth.seen & ~missing.seen[:, : table.kept].cpu()
            for who, way in ways.items():
                x, low, high = way(missing)
                errors[who].append((x - truth.x)[:, : table.numbers].square()[judged[:, : table.numbers]])
                if at == "30":
                    figures[who] |= _words_and_intervals(table, truth, judged, x, low, high)
        for who, parts in errors.items():
            each = torch.cat(parts)
            if len(each):
                figures[who][f"rmse_{at}"] = float(each.mean().sqrt())
    if not figures["model"]:
        raise AerunError("imputation: no cell of the test rows has a value that could be hidden.")
    ordered = {who: {k: row[k] for k in METRICS if k in row} for who, row in figures.items()}
    note = f"{len(test):,} test rows; baselines fitted to {len(train.x):,} training rows; {winners(ordered)}"
    return Outcome(ordered, note)


def winners(figures: Mapping[str, Mapping[str, float]]) -> str:
    """Return who fills best, in words."""
    words = []
    for metric, what in _SPOKEN.items():
        known = {who: row[metric] for who, row in figures.items() if metric in row}
        if not known:
            continue
        sign = 1 if METRICS[metric] == "min" else -1
        best = known[min(known, key=lambda w: sign * known[w])]
        first = [who for who, value in known.items() if abs(value - best) <= _SAME * abs(best)]
        beside = "" if "model" in first else f" ({best:.3g} against {known['model']:.3g})"
        words.append(f"{what}: {' and '.join(NAMES.get(who, 'the model') for who in first)}{beside}")
    return f"best at {', '.join(words)}"


def _training(trained: Trained, table: Table) -> Rows:
    model, part = trained.autoencoder, subsample(trained.data.train, _TRAINED, trained.autoencoder.facts.size)
    own = model.facts.own(part.x)
    return table.rows(cells(model, part.x.to(trained.device), torch.zeros(own.shape, dtype=torch.bool, device=trained.device)))


def _hidings(stored: Tensor, at: str) -> Iterator[Tensor]:
    """Yield what to hide of rows (n, columns), always the same: one draw, or each column in turn."""
    g, (n, columns) = torch.Generator().manual_seed(0), stored.shape
    if at == "column":
        for i in range(0, columns, max(1, math.ceil(columns / _COLUMNS))):
            hidden = torch.zeros(n, columns, dtype=torch.bool)
            hidden[:, i] = True
            yield hidden
    elif at == "block":
        some = torch.randperm(columns, generator=g)[: max(1, columns // 2)]
        hidden = torch.zeros(n, columns, dtype=torch.bool)
        hidden[::2, some] = True
        yield hidden
    else:
        yield torch.rand(n, columns, generator=g) < int(at) / 100


def _words_and_intervals(
    table: Table, truth: Rows, judged: Tensor, x: Tensor, low: Tensor | None, high: Tensor | None
) -> dict[str, float]:
    figures = {}
    right = [
        (x[:, w].argmax(1) == truth.x[:, w].argmax(1))[judged[:, w.start] & (truth.x[:, w] > 0).any(1)] for w in table.words
    ]
    if right and len(every := torch.cat(right)):
        figures["accuracy_30"] = float(every.double().mean())
    at = judged[:, : table.numbers]
    if low is not None and high is not None and bool(at.any()):
        own = truth.x[:, : table.numbers]
        inside = (low[:, : table.numbers] <= own) & (own <= high[:, : table.numbers])
        figures["coverage_30"] = float(inside[at].double().mean())
    return figures


def _ways(trained: Trained, table: Table, train: Rows) -> dict[str, Callable[[Cells], Answer]]:
    holes, mean = np.where(train.seen.numpy(), train.x.numpy(), np.nan), torch.where(train.seen, train.x, 0.0).sum(0)
    mean = mean / train.seen.sum(0).clamp_min(1)
    ways: dict[str, Callable[[Cells], Answer]] = {
        "model": lambda missing: _model(table, missing),
        "mean": lambda missing: (torch.where((rows := table.rows(missing)).seen, rows.x, mean), None, None),
    }
    for name, imputer in imputers(holes).items():
        ways[name] = lambda missing, imputer=imputer: (_by(imputer, table.rows(missing), mean), None, None)  # type: ignore[misc]
    if table.kept <= _WIDEST:
        some = max(100, int(_WORK / (60 * table.kept**3)))
        gaussian = fit(train.x[:some], train.seen[:some])
        reach = 1.6448536269514722  # of a normal distribution: 90 % lie within so many deviations

        def conditional(missing: Cells) -> Answer:
            rows = table.rows(missing)
            expected, deviation = gaussian.conditional(rows.x, rows.seen)
            return expected, expected - reach * deviation, expected + reach * deviation

        ways["gaussian"] = conditional
    return ways


def _model(table: Table, missing: Cells) -> Answer:
    draws = _DRAWS if weighs_codes(table.model) and not fills_holes(table.model) else 0
    found = filled(table.model, missing, _CODES, draws)
    if not draws:
        return table.of(found.x_hat), None, None
    drawn = torch.stack([table.of(d) for d in found.draws])
    low, high = (torch.quantile(drawn, q, dim=0) for q in ((1 - _INSIDE) / 2, (1 + _INSIDE) / 2))
    return table.of(found.x_hat), low, high


def _by(imputer: Imputer, rows: Rows, mean: Tensor) -> Tensor:
    found = torch.from_numpy(np.asarray(imputer(np.where(rows.seen.numpy(), rows.x.numpy(), np.nan))))
    return torch.where(found.isfinite(), found, mean)
