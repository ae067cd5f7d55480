"""Are labelled stretches of series found by the scores of single steps?"""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.text import counted
from aerun.dataset.base import Dataset
from aerun.dataset.recorded_steps import RecordedSteps
from aerun.evaluate.anomaly_scores import element_errors
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.step_scores import Errors, NormalSteps, Values, Way, covered_steps, own_errors, validation_steps
from aerun.metrics.conformal import ALPHA, alarms, shortage, threshold
from aerun.metrics.labelled_steps import LONGEST, Labelled, affiliation, average_precision, best_f1, range_based, vus_pr
from aerun.trained import Trained

__all__ = ["METRICS", "WHO", "evaluate", "unsupported_reason"]

WHO = ("model", "smoothed", "window", "pca", "none", "random")
_DRAWS = 10  # of random scores
METRICS = {
    "auprc": "max",
    "vus_pr": "max",
    "affiliation_precision": "max",
    "affiliation_recall": "max",
    "range_precision": "max",
    "range_recall": "max",
    "f1_oracle": "max",
}


def unsupported_reason(model: Autoencoder, dataset: Dataset) -> str:
    """Return why it makes no sense here, or nothing: it needs steps, and to know which of them are normal."""
    if dataset.window_stride is None:
        return "needs windows of series: dataset=series dataset.window=STEPS"
    named = "dataset.anomaly=COLUMN, or dataset.label=COLUMN and dataset.normal=[...]"
    return f"needs the steps that are anomalous: {named}" if dataset.normal_classes is None else ""


@torch.no_grad()
def evaluate(trained: Trained) -> Outcome:
    """Return how well the scores of test steps find labelled events: steps in a row that are not of a normal class.

    Rows: model, a step's own error, mean over the windows that cover it; smoothed, its mean over a quarter of a window;
    window, the error of the whole window around a step, repeated at the ends; pca, as model, of PCA of the same size; none, as
    model, the squared distance from the training mean in training deviations; random, scores drawn at random.

    Metrics, see `aerun.metrics.labelled_steps`: auprc and vus_pr, with slopes up to the window, at most 100 steps; affiliation
    and range based precision and recall of the alarms at a threshold that at most 5 % of normal stretches as long as a window
    exceed, by the validation steps; f1_oracle, of single steps at the threshold that is best for the test labels.
    Point-adjusted F1 is not offered: random scores reach .8. AerunError where all test steps with a score are anomalous, or
    none is.
    """
    recorded, normal = trained.dataset.test_steps(), trained.dataset.normal_classes
    assert recorded is not None
    assert recorded.label is not None
    assert normal is not None
    window = trained.autoencoder.facts.stored[0]
    known = np.isin(recorded.piece, np.flatnonzero(recorded.count >= window))
    steps = Labelled(~np.isin(recorded.label, normal)[known], recorded.piece[known])
    if steps.truth.all() or not steps.truth.any():
        raise AerunError("the test split holds no anomalous step in a stretch as long as a window, or nothing else.")
    scores = _scores(trained, recorded)
    figures = {who: _measured(score[known], val, steps, window) for who, (score, val) in scores.items()}
    val = scores["model"][1]
    figures["random"] = _by_chance(steps, val, window, trained.seed)
    return Outcome(figures, _note(steps, len(known), val, window), beside={"counts/events": float(len(steps.events))})


def _scores(trained: Trained, recorded: RecordedSteps) -> dict[str, tuple[Values, NormalSteps]]:
    """Return by each row's name the scores of the test steps, and those of the validation steps."""
    window = trained.autoencoder.facts.stored[0]
    stride = trained.dataset.window_stride or window
    ways: dict[str, tuple[Errors, Way]] = {
        "model": (own_errors, Way()),
        "smoothed": (own_errors, Way(max(1, window // 4))),
        "window": (_whole, Way(centre=True)),
    }
    ways |= {name: (partial(_own, f), Way()) for name, f in element_errors(trained).items()}
    both = {}
    for who, (judge, way) in ways.items():
        val = validation_steps(trained, way, judge)
        assert val is not None
        score = covered_steps(trained, way, recorded, stride, judge)
        both[who] = (_held(score, recorded.piece) if way.centre else score), val
    return both


def _by_chance(steps: Labelled, val: NormalSteps, window: int, seed: int) -> dict[str, float]:
    """Return the mean metrics of random scores; of several draws, for with few alarms one says little."""
    draw = np.random.default_rng(seed)
    each = [
        _measured(draw.random(len(steps.truth)), NormalSteps(draw.random(len(val.score)), val.piece), steps, window)
        for _ in range(_DRAWS)
    ]
    return {
        name: float(np.mean([row[name] for row in each if name in row])) for name in METRICS if any(name in r for r in each)
    }


def _own(f: Callable[[Tensor], tuple[Tensor, Tensor]], model: Autoencoder, stored: Tensor) -> tuple[Values, Values]:
    error, weight = f(stored)
    return error.cpu().numpy(), weight.cpu().numpy()


def _whole(model: Autoencoder, stored: Tensor) -> tuple[Values, Values]:
    """Return the mean error of each window as that of all of its elements."""
    error, seen = own_errors(model, stored)
    mean = error.sum((1, 2)) / np.maximum(seen.sum((1, 2)), 1)
    return np.broadcast_to(mean[:, None, None], error.shape), np.ones_like(error)


def _held(score: Values, piece: NDArray[np.int64]) -> Values:
    """Return scores whose first and last ones that are known are repeated up to the ends of their piece."""
    held = score.copy()
    for number in np.unique(piece[~np.isnan(score)]):
        at = np.flatnonzero(piece == number)
        known = np.flatnonzero(~np.isnan(score[at]))
        held[at] = score[at][np.clip(np.arange(len(at)), known[0], known[-1])]
    return held


def _measured(score: Values, val: NormalSteps, steps: Labelled, window: int) -> dict[str, float]:
    """Return the metrics of a score; those that need an alarm are left out where there is none."""
    calibration, _ = _calibration(val, window)
    raised = alarms(score, threshold(calibration, ALPHA))
    ranks = np.unique(np.where(np.isnan(score), np.inf, score), return_inverse=True)[1].astype(np.float64)
    near, ranges = affiliation(raised, steps), range_based(raised, steps)
    figures = {
        "auprc": average_precision(ranks, steps.truth),
        "vus_pr": vus_pr(ranks, steps, min(window, LONGEST)),
        "affiliation_precision": near[0],
        "affiliation_recall": near[1],
        "range_precision": ranges[0],
        "range_recall": ranges[1],
        "f1_oracle": best_f1(ranks, steps.truth),
    }
    return {name: value for name, value in figures.items() if not math.isnan(value)}


def _calibration(val: NormalSteps, window: int) -> tuple[Values, str]:
    """Return the scores that the threshold is of, and in words what they are: of stretches, or of steps where these are few."""
    blocks = val.blocks(window)
    if shortage(len(blocks), ALPHA):
        return val.score, f"normal steps ({len(val.score):,} of validation, too few for stretches of {window})"
    return blocks, f"normal stretches of {window} steps ({len(blocks):,} of validation)"


def _note(steps: Labelled, total: int, val: NormalSteps, window: int) -> str:
    share, n = float(steps.truth.mean()), len(steps.truth)
    chance = f"by chance auprc is {share:.3g} and f1_oracle {2 * share / (1 + share):.3g}"
    words = (
        f"{counted(len(steps.events), 'event')} of {int(steps.truth.sum()):,} in {n:,} test steps: {chance}; the threshold of "
        f"f1_oracle suits the test labels best, affiliation_ and range_ are of alarms, which at most {ALPHA:.0%} of "
        f"{_calibration(val, window)[1]} raise; random: the mean of {_DRAWS} draws"
    )
    lost = total - n
    return f"{words}; {lost:,} steps in stretches shorter than a window have no score" if lost else words
