"""How improbable a row of a table is, column by column, in nats: of runs whose loss is a likelihood of columns."""

from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.inference.columns import of_columns
from aerun.inference.runner import Runner
from aerun.vocabulary import call

NEEDED = "needs a run whose loss is a likelihood of each column: model/loss=mixed."


def has_nats(runner: Runner) -> bool:
    """Return whether the loss of this run judges each column of a table by itself, in nats."""
    return runner.autoencoder.loss.density == "columns"


def column_nats(runner: Runner, stored: Tensor) -> Tensor:
    """Return -log p(x_c | z) of each column c of stored rows, at the code of the row, (n, columns), 64-bit.

    What a cell is counts where it is there and training has seen its word; whether it is missing counts where training rows
    lack values in that column. Raises AerunError for other losses.
    """
    if not has_nats(runner):
        raise AerunError(f"nats: {NEEDED}")
    model = runner.exact
    element: Any = model.loss.element
    marks = torch.zeros(model.facts.size, dtype=torch.bool)
    for _, kind, start, length in model.facts.columns:
        marks[start : start + length] = kind == "mark"

    def each(part: Tensor, _: object) -> Tensor:
        x, beside = model.exact(part).double(), model.beside(part)
        raw = model.raw(model.encode(model.units(part).double(), **beside), **beside)
        loss: Tensor = call(element, {"raw": raw, "x": x})
        if (seen := model.seen(part)) is not None:
            loss = loss * (seen | marks.to(seen.device))
        return of_columns(loss, model.preparation)

    return runner.in_batches(each, stored, None)
