"""What is hidden of samples, filled in by a model that was trained with holes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aerun.inference.masks import mask_of
from aerun.inference.runner import Runner
from aerun.inference.samples import OutputFormat


def inpaint(runner: Runner, x: Any, mask: Any) -> Any:
    """Return samples as they were given, with what `mask` hides, or what is missing, filled in."""
    model, corruption = runner.autoencoder, runner.autoencoder.corruption
    given = mask_of(x, mask, runner.form)
    stored, way = runner.form.to_stored(given.x)
    if isinstance(x, Mapping) or hasattr(x, "columns"):
        way = OutputFormat("columns", way.dtype)

    def fill(part: Tensor, hidden: Tensor) -> Tensor:
        units, valid = runner.units(part), runner.facts.valid(part)
        hole = given.of_elements(hidden).expand_as(units)
        told = hole if corruption.shows_mask else None
        return runner.form.own(model(units.masked_fill(hole, corruption.fill), told, valid), valid)

    filled = runner.in_batches(fill, stored, given.mask)
    whole = torch.where(given.mask, filled, stored.to(filled.dtype))
    return runner.form.to_caller(whole, runner.facts.valid(stored), way)
