"""Fills in what is hidden or missing of samples: one path for `inpaint` and `impute`."""

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.evaluate.imputing import CODES, cells, filled, fills_holes, weighs_codes
from aerun.formats.binary_tables import columns_in, typed_column
from aerun.formats.frame import Column
from aerun.formats.frames import has_columns
from aerun.formats.framing import FrameFormat
from aerun.inference.columns import told_columns
from aerun.inference.masks import Hidden, mask_of
from aerun.inference.runner import Runner
from aerun.inference.samples import OutputFormat
from aerun.inference.support import unsupported_reason
from aerun.preparation.feature import Feature

log = logging.getLogger("aerun")

_FEW = 5  # codes that count, below which a value is said to be unsure
_DRAWS = 200  # of a cell, between whose quantiles an interval lies


@dataclass(frozen=True)
class Imputation:
    """What `Model.impute` found where more than single values was asked.

    values: the samples with their gaps filled, as they came. draws: so many of them, with gaps filled by draws. ess (n,): how
    many of a row's codes count, NaN where none are weighed. low, high: the ends of the interval of each cell, as values; those
    of seen cells, and words, are the values themselves. hidden (n, *stored): where the gaps were.
    """

    values: Any
    draws: tuple[Any, ...]
    ess: NDArray[np.float64]
    low: Any
    high: Any
    hidden: NDArray[np.bool_]


def inpaint(runner: Runner, x: Any, mask: Any) -> Any:
    """Return samples in the form in which they came, with what `mask` hides, or what is missing, filled in."""
    masked = mask_of(x, mask, runner.form)
    if not masked.mask.any():
        raise AerunError("inpaint: nothing is hidden: give a mask, True where something is to be filled in, or NaN there.")
    if mask is None:
        log.info("inpaint: gaps that samples have of their own are also filled in by impute, which needs no mask.")
    return _imputed(runner, x, masked).values


def impute(
    runner: Runner, x: Any, codes: int = CODES, draws: int = 0, interval: float | None = None, seed: int = 0
) -> Imputation:
    """Return samples in the form in which they came, with what is missing filled in, see `Model.impute`."""
    model = runner.autoencoder
    if why := unsupported_reason("impute", model):
        raise AerunError(f"impute: {why}")
    integer("codes", codes, 2)
    integer("draws", draws, 0)
    if interval is not None and not 0 < interval < 1:
        raise AerunError(f"impute: interval={interval}: must be between 0 and 1, such as 0.9.")
    if (draws or interval is not None) and (fills_holes(model) or not weighs_codes(model)):
        raise AerunError(
            "impute: this run has one answer for each cell and draws none: that takes codes with a posterior and a loss in "
            "nats, such as model=iwae model/loss=gaussian dataset.missing=keep."
        )
    masked = mask_of(x, None, runner.form, "impute")
    return _imputed(runner, x, masked, codes, draws, interval, seed)


def _imputed(
    runner: Runner, x: Any, masked: Hidden, codes: int = CODES, draws: int = 0, interval: float | None = None, seed: int = 0
) -> Imputation:
    form = copy(runner.form)
    form.quiet = True  # of what stands in gaps there is nothing to be said
    stored, output_format = form.to_stored(masked.x, x)
    if has_columns(x):
        output_format = OutputFormat("columns", output_format.dtype, frame=FrameFormat.of(x))
    gaps = masked.mask.flatten(1).any(1)
    n, times = len(stored), draws if interval is None else max(draws, _DRAWS)
    own = runner.facts.own(stored).float()
    found = own[None].repeat(1 + (2 if interval is not None else 0) + draws, *[1] * own.ndim)
    ess = np.full(n, np.nan)
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for at in gaps.nonzero().flatten().split(runner.rows) if bool(gaps.any()) else ():
            part, hidden = stored[at].to(runner.device), masked.mask[at].to(runner.device)
            missing = cells(runner.autoencoder, part, hidden)
            answer = filled(runner.autoencoder, missing, codes, times)
            ess[at.numpy()] = answer.ess.double().cpu().numpy()
            valid = missing.beside.get("valid")
            each = [_own(runner, x_hat, valid) for x_hat in (answer.x_hat, *answer.draws)]
            ends = [] if interval is None else _ends(torch.stack(each[1:]), interval)
            for row, values in zip(found, [each[0], *ends, *each[1 : 1 + draws]], strict=True):
                row[at] = torch.where(masked.mask[at], values, row[at])
    answers = [_answer(runner, x, masked, row, stored, output_format) for row in found]
    low, high = (answers[1], answers[2]) if interval is not None else (None, None)
    return Imputation(answers[0], tuple(answers[len(answers) - draws :]), ess, low, high, masked.mask.numpy())


def _own(runner: Runner, x_hat: Tensor, valid: Tensor | None) -> Tensor:
    return runner.form.own(runner.autoencoder.preparation.decided(x_hat), valid).float().cpu()


def _ends(drawn: Tensor, interval: float) -> list[Tensor]:
    """Return the ends of the interval that holds this share of draws (M, B, *stored), as many below it as above."""
    tail = (1 - interval) / 2
    return [torch.quantile(drawn, q, dim=0) for q in (tail, 1 - tail)]


@dataclass(frozen=True)
class Tally:
    """How many rows had gaps, how many of these were filled by weighing codes, and of how many of those few codes count."""

    gaps: int = 0
    weighed: int = 0
    few: int = 0

    def plus(self, found: Imputation) -> "Tally":
        """Return the tally with the rows of a further answer."""
        gaps = int(found.hidden.reshape(len(found.hidden), -1).any(1).sum())
        weighed = ~np.isnan(found.ess)
        return Tally(self.gaps + gaps, self.weighed + int(weighed.sum()), self.few + int((found.ess < _FEW).sum()))

    def lines(self, model: Autoencoder) -> list[str]:
        """Return what is to be said of the answers."""
        if not self.gaps:
            return ["impute: no cell is missing; all stays as it is."]
        lines = []
        if not model.preparation.keeps_gaps and not model.corruption.hides:
            lines.append(
                "impute: this run was not trained with dataset.missing=keep: it has learned the fills of training rows too, "
                "and gaps begin as fills here."
            )
        if self.few:
            lines.append(
                f"impute: of {self.few:,} of {self.weighed:,} rows with gaps fewer than {_FEW} codes count (ess): their values "
                "hang on few draws. More codes help, or a model that was trained longer."
            )
        return lines


def _answer(runner: Runner, x: Any, masked: Hidden, own: Tensor, stored: Tensor, output_format: OutputFormat) -> Any:
    """Return own units (n, *stored) as the samples x came; what was not hidden is theirs, with all its digits."""
    hidden = masked.mask.numpy()
    if output_format.kind != "columns":
        answer = runner.form.to_caller(own, runner.facts.valid(stored), output_format)
        if isinstance(answer, Tensor):
            return torch.where(masked.mask.to(answer.device), answer, torch.as_tensor(masked.x).to(answer))
        return np.where(hidden, answer, masked.x).astype(output_format.dtype)
    columns = runner.form.to_caller(own, None, replace(output_format, frame=None))
    if output_format.frame is None:
        return columns
    return output_format.frame.frame(_with_own(columns, x, hidden, runner.form.features))


def _with_own(
    columns: Mapping[str, NDArray[Any]], x: Any, hidden: NDArray[np.bool_], features: Sequence[Feature]
) -> dict[str, NDArray[Any]]:
    """Return columns whose cells that were not hidden are those of the frame x, with all their digits."""
    given, whole = columns_in(x), dict(columns)
    for i, feature in enumerate(features):
        own = typed_column("x", feature.name, given[feature.name])
        if isinstance(own, Column) and own.kind == feature.kind != "category":
            exact = told_columns(own.values[:, None], [replace(feature, origin=0.0)])[feature.name]
            exact = own.values if feature.kind == "number" else exact
            whole[feature.name] = np.where(hidden[:, i], whole[feature.name], exact)
    return whole
