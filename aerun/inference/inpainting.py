"""Fills in what is hidden of samples, by a model that was trained with holes."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aerun.inference.masks import mask_of
from aerun.inference.runner import Runner
from aerun.inference.samples import OutputFormat


def inpaint(runner: Runner, x: Any, mask: Any) -> Any:
    """Return samples in the form in which they came, with what `mask` hides, or what is missing, filled in."""
    model, corruption = runner.autoencoder, runner.autoencoder.corruption
    masked = mask_of(x, mask, runner.form)
    stored, output_format = runner.form.to_stored(masked.x)
    if isinstance(x, Mapping) or hasattr(x, "columns"):
        output_format = OutputFormat("columns", output_format.dtype)

    def fill(part: Tensor, hidden: Tensor) -> Tensor:
        units, valid = runner.units(part), runner.facts.valid(part)
        hole = masked.of_elements(hidden).expand_as(units)
        mask_input = hole if corruption.shows_mask else None
        return runner.form.own(model(units.masked_fill(hole, corruption.fill), mask_input, valid), valid)

    filled = runner.in_batches(fill, stored, masked.mask)
    whole = torch.where(masked.mask, filled, stored.to(filled.dtype))
    return runner.form.to_caller(whole, runner.facts.valid(stored), output_format)
