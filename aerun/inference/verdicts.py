"""What `aerun score` says beside a score: a threshold and a verdict, or a p-value and whether it is a discovery."""

import math
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.inference.rules import BLOCKS, POT, RULES
from aerun.inference.runner import Runner
from aerun.metrics import tails
from aerun.metrics.conformal import ALPHA, alarms, discoveries, p_values, shortage, support, threshold


def calibrated(model: Runner, steps: bool) -> NDArray[np.float64]:
    """Return the validation scores that verdicts go by: of samples, or of single steps of them."""
    if not steps:
        return model.validation_scores
    if model.calibration.steps is None:
        raise AerunError(f"{model.folder.path}: knows no scores of single steps, as an older aerun left it: --windows.")
    return model.calibration.steps


def judged(model: Runner, score: Any, args: Namespace, steps: bool = False) -> dict[str, Any]:
    """Return the columns of one piece: score, threshold and anomaly; with --fdr score and p, see `Discoveries`.

    steps: scores are of single steps; one that no window covers has no score (NaN), and raises no alarm.
    """
    scores = np.asarray(score)
    unknown = np.isnan(scores) if steps else np.zeros(len(scores), dtype=bool)
    if args.fdr is not None:
        return {"score": score, "p": np.where(unknown, 1.0, p_values(calibrated(model, steps), scores))}
    limit = limit_of(model, args, steps)
    return {"score": score, "threshold": np.full(len(score), limit), "anomaly": alarms(scores, limit) & ~unknown}


def limit_of(model: Runner, args: Namespace, steps: bool) -> float:
    """Return the threshold: that of --threshold, or the conformal one at --alpha; of blocks with --threshold blocks."""
    if args.threshold == POT:
        return _tail(model, steps).limit(_alpha(args))
    if args.threshold == BLOCKS:
        return threshold(blocks_of(model), _alpha(args))
    if args.threshold is not None:
        return float(args.threshold)
    return threshold(calibrated(model, True), _alpha(args)) if steps else model.threshold(_alpha(args))


def blocks_of(model: Runner) -> NDArray[np.float64]:
    """Return the highest validation score of each stretch of a window's length. AerunError where none is known."""
    blocks = model.calibration.blocks
    if blocks is None or not len(blocks):
        raise AerunError(f"--threshold {BLOCKS}: of time steps, of which this run has scored no {_window(model)} in a row.")
    return blocks


def _window(model: Runner) -> int:
    return model.facts.stored[0]


def _tail(model: Runner, steps: bool) -> tails.Tail:
    scores = calibrated(model, steps)
    found = tails.tail(scores)
    if found is None:
        what = "steps" if steps else "samples"
        raise AerunError(
            f"--threshold {POT}: looks at the highest {tails.SHARE:.0%} of the validation scores, at least {tails.LEAST} of "
            f"{tails.needed():,} {what}, and there are {len(scores):,}: leave it out, or --threshold NUMBER."
        )
    return found


def _alpha(args: Namespace) -> float:
    default = tails.ALPHA if args.threshold == POT else ALPHA
    return default if args.alpha is None else float(args.alpha)


def remarks(model: Runner, args: Namespace) -> list[str]:
    """Return what the reader of this call's verdicts must know beforehand.

    Raises AerunError for settings that contradict each other.
    """
    _refuse_rules(args)
    if args.threshold is not None and args.threshold not in RULES:
        return []
    n, alpha, unit = len(calibrated(model, args.steps)), _alpha(args), "steps" if args.steps else "samples"
    if args.fdr is None:
        model.threshold(alpha)  # This refuses an impossible share.
    if args.threshold == BLOCKS and not args.steps:
        raise AerunError(f"--threshold {BLOCKS}: of time steps (dataset=series dataset.window=N, without --windows).")
    if args.threshold == POT and not alpha < tails.SHARE:
        raise AerunError(f"--alpha {alpha:g} --threshold {POT}: looks behind the highest {tails.SHARE:.0%}: a smaller share.")
    if args.threshold == POT:
        found = _tail(model, args.steps)
        lines = [
            f"the threshold is where {alpha:g} of normal {unit} would lie behind a generalized Pareto tail (shape "
            f"{found.shape:.2f}) of the highest {tails.SHARE:.0%} of {n:,} validation {unit}: an estimate, not a guarantee."
        ]
    elif args.threshold == BLOCKS:
        blocks = len(blocks_of(model))
        rule = f"at most {alpha:.3g} of normal stretches of {_window(model)} steps raise any alarm on average"
        lines = [shortage(blocks, alpha, "stretches"), f"{rule} ({blocks:,} validation stretches)."]
    else:
        lines = [shortage(n, alpha, unit)] if args.fdr is None else []
        rule = f"at most {alpha:.3g} of normal steps raise an alarm on average" if args.fdr is None else "p is of a step"
        lines += [f"verdicts are of single steps: {rule} ({n:,} validation steps)."] if args.steps else []
    if model.calibration.approximate:
        lines += [
            "this run's validation scores were kept as quantiles by an older aerun: thresholds and p-values are approximate."
        ]
    return [line for line in lines if line]


def _refuse_rules(args: Namespace) -> None:
    """Raise AerunError for more than one rule, and for numbers that make none."""
    named = args.threshold in RULES
    rules = [
        f"--{name} {value if isinstance(value, str) else format(value, 'g')}"
        for name in ("alpha", "threshold", "fdr")
        if (value := getattr(args, name)) is not None and not (named and name == "alpha")
    ]
    if len(rules) > 1:
        raise AerunError(f"{' '.join(rules)}: a verdict has one rule; leave {'one' if len(rules) == 2 else 'two'} of them out.")
    if args.fdr is not None and not 0 < args.fdr < 1:
        raise AerunError(
            f"--fdr {args.fdr:g}: the share of false ones among the anomalies found, between 0 and 1, such as 0.1."
        )
    if isinstance(args.threshold, float) and math.isnan(args.threshold):
        raise AerunError("--threshold nan: no score is above it; a number, such as the threshold of `aerun score --alpha`.")


class Discoveries:
    """Stands between the pieces of one call and its file: all samples of the call are one family, decided at the end.

    writer: takes them then, by `add`. q: at most this share of the anomalies found are false on average (Benjamini-Hochberg on
    conformal p-values). unit: what is judged, samples or steps.
    """

    def __init__(self, writer: Any, q: float, calibrated: int, unit: str = "samples") -> None:
        self.writer, self.q, self.calibrated, self.unit = writer, q, calibrated, unit
        self.pieces: list[dict[str, Any]] = []

    def add(self, arrays: Mapping[str, Any]) -> None:
        """Keep a piece's columns until the last piece is there."""
        self.pieces.append(dict(arrays))

    def release(self) -> list[str]:
        """Write all pieces with a column `anomaly`, and return in lines how many anomalies there are."""
        p = np.concatenate([piece["p"] for piece in self.pieces]) if self.pieces else np.zeros(0)
        anomalies = discoveries(p, self.q)
        cuts = np.cumsum([len(piece["p"]) for piece in self.pieces])[:-1]
        for piece, anomaly in zip(self.pieces, np.split(anomalies, cuts), strict=True):
            place = list(piece).index("p") + 1
            columns = list(piece.items())
            self.writer.add(dict([*columns[:place], ("anomaly", anomaly), *columns[place:]]))
        lines = [
            f"{int(anomalies.sum()):,} of {len(p):,} {self.unit} are anomalies, at most a share {self.q:g} of them falsely on "
            f"average (Benjamini-Hochberg, {self.calibrated:,} validation scores)."
        ]
        short = support(self.calibrated, len(p), self.q, self.unit)
        return [*lines, short] if short else lines
