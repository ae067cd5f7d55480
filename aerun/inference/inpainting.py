"""Fills in what is hidden of samples, by a model that was trained with holes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.formats.binary_tables import columns_in, typed_column
from aerun.formats.frame import Column
from aerun.formats.frames import has_columns
from aerun.formats.framing import FrameFormat
from aerun.inference.columns import told_columns
from aerun.inference.masks import mask_of
from aerun.inference.runner import Runner
from aerun.inference.samples import OutputFormat
from aerun.preparation.feature import Feature


def inpaint(runner: Runner, x: Any, mask: Any) -> Any:
    """Return samples in the form in which they came, with what `mask` hides, or what is missing, filled in."""
    model, corruption = runner.autoencoder, runner.autoencoder.corruption
    masked = mask_of(x, mask, runner.form)
    stored, output_format = runner.form.to_stored(masked.x, x)
    if has_columns(x):
        output_format = OutputFormat("columns", output_format.dtype, frame=FrameFormat.of(x))

    def fill(part: Tensor, hidden: Tensor) -> Tensor:
        units, beside = runner.units(part), model.beside(part)
        hole = masked.of_elements(hidden).expand_as(units)
        mask_input = hole if corruption.shows_mask else None
        return runner.form.own(model(units.masked_fill(hole, corruption.fill), mask_input, **beside), beside.get("valid"))

    filled = runner.in_batches(fill, stored, masked.mask)
    whole = torch.where(masked.mask, filled, runner.facts.own(stored).to(filled.dtype))
    answer = runner.form.to_caller(whole, runner.facts.valid(stored), replace(output_format, frame=None))
    if output_format.frame is None:
        return answer
    return output_format.frame.frame(_with_own(answer, x, masked.mask.numpy(), runner.form.features))


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
