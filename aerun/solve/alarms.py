"""Scores of candidates for alarms: on validation rows against anomalies made of them, and once on test rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aerun.dataset.normal import anomalies
from aerun.dataset.splits import Split
from aerun.evaluate.anomaly_scores import scored
from aerun.evaluate.scores import score
from aerun.metrics import conformal
from aerun.metrics.detection import scores
from aerun.solve.judge import Judge
from aerun.solve.made import made
from aerun.trained import Trained


@dataclass
class Alarms:
    """Asks runs for scores, each once."""

    judge: Judge
    _known: dict[tuple[Path, str], Tensor] = field(default_factory=dict)

    def of(self, run: Path, rows: str) -> Tensor | None:
        """Return the scores of a run, (n,); rows: val, made (None where none can be made) or test."""
        key = (run, rows)
        if key not in self._known:
            trained = self.judge.loaded(run)
            split = self._split(trained, rows)
            if split is None:
                return None
            with torch.no_grad():
                self._known[key] = scored(trained, split, lambda b: score(trained.exact, b.stored)).cpu()
        return self._known[key]

    def _split(self, trained: Trained, rows: str) -> Split | None:
        return made(trained.data.val, trained.autoencoder.facts) if rows == "made" else getattr(trained.data, rows)

    def auroc(self, runs: Sequence[Path]) -> float | None:
        """Return the AUROC of one run, or of several together, on validation rows against made ones; None without these."""
        odd = [self.of(run, "made") for run in runs]
        if any(s is None for s in odd):
            return None
        usual, other = (self._together(runs, rows) for rows in ("val", "made"))
        truth = torch.cat([torch.zeros(len(usual)), torch.ones(len(other))]).bool()
        return scores(torch.cat([usual, other]), truth, usual, conformal.ALPHA)["auroc"]

    def rows(self, run: Path) -> int:
        """Return how many validation rows there are."""
        known = self.of(run, "val")
        return 0 if known is None else len(known)

    def on_test(self, runs: Sequence[Path]) -> dict[str, float]:
        """Return what several runs together make of the test rows."""
        trained = self.judge.loaded(runs[0])
        normal = trained.dataset.normal_classes
        assert normal is not None
        return scores(
            self._together(runs, "test"), anomalies(trained.data.test, normal), self._together(runs, "val"), conformal.ALPHA
        )

    def _together(self, runs: Sequence[Path], rows: str) -> Tensor:
        """Return the score of one run, or 1 less the mean of the p-values of several, as `score --with` has it."""
        each = [self.of(run, rows) for run in runs]
        if len(runs) == 1:
            assert each[0] is not None
            return each[0]
        known = [self.of(run, "val") for run in runs]
        p = [
            conformal.p_values(np.sort(usual.numpy()), own.numpy())
            for usual, own in zip(known, each, strict=True)
            if usual is not None and own is not None
        ]
        return torch.from_numpy(1 - np.mean(p, axis=0))


def standard_error(auroc: float, rows: int) -> float:
    """Return the standard error of an AUROC of as many rows of each kind (Hanley & McNeil 1982).

    https://doi.org/10.1148/radiology.143.1.7063747
    """
    a = min(max(auroc, 0.5), 1.0)
    q1, q2 = a / (2 - a), 2 * a * a / (1 + a)
    n = max(rows, 2)
    return math.sqrt(max(a * (1 - a) + (n - 1) * (q1 - a * a) + (n - 1) * (q2 - a * a), 0.0)) / n
