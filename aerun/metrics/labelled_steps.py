"""How well scores of single steps find labelled events: several steps in a row that are anomalous.

Not here: point-adjusted F1, which counts a whole event as found once one of its steps is, and so says more of the length of
events than of a score, see the guide on using a model.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Span = tuple[int, int]  # the first step of an event and the one behind its last
LONGEST = 100  # steps of a slope of `vus_pr`, where a window is longer


def spans(flags: Flags, piece: Numbers | None = None) -> list[Span]:
    """Return the runs of True in flags (N,); none reaches from one piece (N,) into another."""
    at = np.flatnonzero(flags)
    if not len(at):
        return []
    breaks = np.diff(at) > 1
    if piece is not None:
        breaks |= np.diff(piece[at]) != 0
    return [(int(run[0]), int(run[-1]) + 1) for run in np.split(at, np.flatnonzero(breaks) + 1)]


@dataclass(frozen=True)
class Labelled:
    """Steps with labels: truth (N,), True where anomalous; piece (N,), the number of the stretch without a break each is in."""

    truth: Flags
    piece: Numbers

    @cached_property
    def events(self) -> list[Span]:
        """Return the labelled events."""
        return spans(self.truth, self.piece)

    @cached_property
    def reaches(self) -> list[Span]:
        """Return of each event the first step and the one behind the last of the stretch that it is in."""
        ends = np.append(np.flatnonzero(np.diff(self.piece)) + 1, len(self.piece))
        behind = np.searchsorted(ends, [a for a, _ in self.events], side="right")
        return [(int(ends[k - 1]) if k else 0, int(ends[k])) for k in behind.tolist()]


def average_precision(score: Values, truth: Flags) -> float:
    """Return the average precision of scores (N,); by chance it is the share of anomalous steps."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, score))


def best_f1(score: Values, truth: Flags) -> float:
    """Return the largest F1 of single steps over all thresholds, which the labels themselves choose: an oracle's.

    Scores that know nothing reach 2 s / (1 + s), s the share of anomalous steps: where all are called anomalous.
    """
    order = np.argsort(-score, kind="stable")
    hits, last = np.cumsum(truth[order]), np.append(np.diff(score[order]) != 0, True)
    f1 = 2 * hits / (np.arange(1, len(score) + 1) + truth.sum())
    return float(f1[last].max())


def vus_pr(score: Values, steps: Labelled, longest: int) -> float:
    """Return the volume under the precision-recall surface, for slopes of l = 0..longest steps around events.

    At each l a step d <= l / 2 away from an event has the label y = sqrt(1 - d / l), at most 1. With P the number of labelled
    steps, at each threshold: TP = sum of y over predicted steps, precision TP / their number, recall
    min(1, TP / P_l) times the share of widened events in which a step is predicted, P_l the mean of P and of P plus y over
    predicted steps of the slopes. The area under both is averaged over l. With a single event l = 0 is average precision.
    Paparrizos et al. 2022, https://doi.org/10.14778/3551793.3551830.
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    ranks = np.append(np.flatnonzero(np.diff(ordered)), len(score) - 1)  # equal scores are predicted together
    place = np.empty(len(score), dtype=np.int64)
    place[order] = np.arange(len(score))
    return float(np.mean([_area(steps, length, order, place, ranks) for length in range(longest + 1)]))


def _area(steps: Labelled, length: int, order: Numbers, place: Numbers, ranks: Numbers) -> float:
    """Return the area under precision and recall at slopes of one length. place (N,): the rank of each step's score."""
    soft = _sloped(steps, length)
    truth, total = steps.truth[order], int(steps.truth.sum())
    y = soft[order]
    hits, slope = np.cumsum(y)[ranks], np.cumsum(np.where(truth, 0, y))[ranks]
    touched = np.sort([place[a:b].min() for a, b in spans(soft > 0, steps.piece)])
    found = np.searchsorted(touched, ranks, side="right") / len(touched)
    recall = np.minimum(1, hits / (total + slope / 2)) * found
    precision = hits / (ranks + 1)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def _sloped(steps: Labelled, length: int) -> Values:
    """Return the labels (N,) with slopes of `length` steps."""
    soft = steps.truth.astype(np.float64)
    away = np.arange(1, length // 2 + 1)
    y = np.sqrt(1 - away / max(length, 1))
    for event, (low, high) in zip(steps.events, steps.reaches, strict=True):
        for at in (event[0] - away, event[1] - 1 + away):
            inside = (at >= low) & (at < high)
            soft[at[inside]] += y[inside]
    return np.minimum(soft, 1)


def affiliation(predicted: Flags, steps: Labelled) -> tuple[float, float]:
    """Return precision and recall by distance: of random predictions about a half, whatever the length of events is.

    The zone of an event are the steps nearer to it than to any other. Precision: the mean over predicted steps of a zone of the
    share of its steps that are at least as far from the event, and over zones with predictions (NaN without any). Recall: the
    mean over the steps of an event of the share of its zone at least as far from them as the nearest predicted step there, 0
    where there is none, and over events. Huet, Navarro & Rossi 2022, https://doi.org/10.1145/3534678.3539339.
    """
    precisions, recalls = [], []
    events = steps.events
    for k, event in enumerate(events):
        low, high = _zone(steps, events, k)
        at = np.arange(low, high)
        far = np.maximum(0, np.maximum(event[0] - at, at - event[1] + 1))
        chosen = np.flatnonzero(predicted[low:high])
        if not len(chosen):
            recalls.append(0.0)
            continue
        at_least = len(far) - np.searchsorted(np.sort(far), far[chosen], side="left")
        precisions.append(float((at_least / len(far)).mean()))
        recalls.append(float(_share_beyond(np.arange(*event), chosen + low, low, high).mean()))
    return (float(np.mean(precisions)) if precisions else float("nan")), float(np.mean(recalls))


def _zone(steps: Labelled, events: list[Span], k: int) -> Span:
    """Return the first step nearer to event k than to its neighbours, and the one behind the last."""
    low, high = steps.reaches[k]
    if k and events[k - 1][1] > low:
        low = (events[k - 1][1] + events[k][0]) // 2
    if k + 1 < len(events) and events[k + 1][0] < high:
        high = (events[k][1] + events[k + 1][0]) // 2
    return low, high


def _share_beyond(real: Numbers, chosen: Numbers, low: int, high: int) -> Values:
    """Return of each real step the share of [low, high) at least as far from it as the nearest chosen step."""
    after = np.searchsorted(chosen, real)
    ahead = chosen[np.minimum(after, len(chosen) - 1)]
    before = chosen[np.maximum(after - 1, 0)]
    d = np.minimum(np.abs(ahead - real), np.abs(before - real))
    beyond = np.maximum(0, real - d - low + 1) + np.maximum(0, high - real - d)
    share: Values = np.where(d == 0, 1.0, beyond / (high - low))
    return share


def range_based(predicted: Flags, steps: Labelled) -> tuple[float, float]:
    """Return precision and recall of whole events, with a flat bias: all steps of an event weigh alike.

    Of a range that overlaps n ranges of the other kind it is the share of its steps that these cover, divided by n (at least
    1); precision is the mean over predicted ranges (NaN without any), recall over labelled ones. Tatbul et al. 2018,
    https://arxiv.org/abs/1803.03639, with alpha 0.
    """
    found, real = spans(predicted, steps.piece), steps.events
    return _covered(found, steps.truth, steps.piece), _covered(real, predicted, steps.piece)


def _covered(ranges: list[Span], other: Flags, piece: Numbers) -> float:
    if not ranges:
        return float("nan")
    return float(np.mean([other[a:b].mean() / max(1, len(spans(other[a:b], piece[a:b]))) for a, b in ranges]))
