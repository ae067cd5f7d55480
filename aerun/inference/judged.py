"""Scores by another judge than the error, and by several runs together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.core.logs import quiet_aerun
from aerun.evaluate.judges import JUDGES, Judge, judged
from aerun.evaluate.step_scores import Way
from aerun.inference.kept_arrays import Arrays, keep, kept
from aerun.inference.runner import Runner
from aerun.inference.with_data import trained_of
from aerun.metrics import conformal
from aerun.runs import reference
from aerun.runs.fingerprint import change
from aerun.runs.reference import Calibration

ERROR = "error"
WAYS = (ERROR, *JUDGES)
_VALIDATION = "validation"
_STEPS = ("steps", "blocks")


def judge_of(runner: Runner, name: str, data: str | Path | None) -> tuple[Judge, Calibration]:
    """Return a judge and its validation scores, as the run's folder keeps them.

    Where it does not hold them yet they come from the run's data, which are read from `data` where they are files. Raises
    AerunError for one that cannot judge by this model.
    """
    cls = JUDGES[one_of("by", name, tuple(JUDGES))]
    if why := cls.unsupported_reason(runner.autoencoder):
        raise AerunError(f"by={name}: {why}.")

    def restored(arrays: Arrays) -> tuple[Judge, Calibration]:
        scores = arrays[_VALIDATION].double()
        if scores.ndim != 1 or not len(scores):
            raise ValueError("it holds no validation scores")
        own = {k: v for k, v in arrays.items() if k != _VALIDATION}
        return cls.restored(own, runner.autoencoder), Calibration(np.sort(scores.numpy()))

    return kept(runner, _file(name), restored, (_VALIDATION,)) or _fit(runner, name, cls, data)


def _fit(runner: Runner, name: str, cls: type[Judge], data: str | Path | None) -> tuple[Judge, Calibration]:
    with quiet_aerun(), torch.inference_mode(False), torch.no_grad():  # what is to be said of its data was said in training
        trained = trained_of(runner, f"by={name}: needs training and validation samples once", data)
        judge = cls.fitted(trained)
        scores = judged(judge, trained, trained.data.val).cpu().sort().values
    keep(runner, _file(name), {**judge.arrays(), _VALIDATION: scores}, f"by={name}")
    return judge, Calibration(scores.numpy())


def _file(name: str) -> str:
    return f"judge_{name}.npz"


def steps_of(runner: Runner, way: Way, data: str | Path | None) -> Calibration:
    """Return the calibration of a run with scores of validation steps in another way than its own, kept like a judge."""
    own = runner.calibration
    if way.plain and own.blocks is not None:
        return own
    name = f"blocks_{way.smooth}{'_online' if way.online else ''}"

    def restored(arrays: Arrays) -> Calibration:
        steps, blocks = (np.sort(arrays[k].double().numpy()) for k in _STEPS)
        return replace(own, steps=steps, blocks=blocks)

    known = kept(runner, _file(name), restored, _STEPS)
    if known is not None:
        return known
    with quiet_aerun(), torch.inference_mode(False), torch.no_grad():
        trained = trained_of(runner, "scores of steps: need training and validation samples once", data)
        scores = reference.step_scores(trained, way)
    arrays = {k: torch.tensor(scores.get(k, []), dtype=torch.float64) for k in _STEPS}
    keep(runner, _file(name), arrays, "their calibration")
    return restored(arrays)


class Ensemble:
    """Several runs of the same data as one judge: 1 less the mean of their conformal p-values of a sample.

    Each score counts by its place among the validation scores of its own run, never as it is. Twice the mean of p-values is a
    p-value however they depend on each other: Vovk & Wang 2020, https://doi.org/10.1093/biomet/asaa027.
    """

    def __init__(self, runners: Sequence[Runner]) -> None:
        self.runners = list(runners)

    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor:
        each = [conformal.p_values(r.validation_scores, r.scores_of(stored).numpy()) for r in self.runners]
        return torch.from_numpy(1 - np.mean(each, axis=0))

    @property
    def calibration(self) -> Calibration:
        """Return scores among which the p-value of a sample is twice the mean of those of the runs, and 1 / (n + 1) more."""
        n = min(len(r.validation_scores) for r in self.runners)
        return Calibration(1 - np.arange(n, 0, -1) / (n + 1) / 2, any(r.calibration.approximate for r in self.runners))


def refuse_other(runner: Runner, other: Runner) -> None:
    """Raise AerunError where two runs were not trained on the same data, read alike."""
    a, b = (r.folder.read("run.json").get("data") or {} for r in (runner, other))
    where = f"{other.folder.path}: runs that score together were trained on the same data"
    if change(a, b):
        raise AerunError(f"{where} as {runner.folder.path}, and this one is not.")
    ours, theirs = (_settings(r) for r in (runner, other))
    if differ := sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)):
        raise AerunError(f"{where}, read alike: dataset.{differ[0]} differs.")


def _settings(runner: Runner) -> Mapping[str, object]:
    settings = runner.config.get("dataset")
    return settings if isinstance(settings, Mapping) else {}
