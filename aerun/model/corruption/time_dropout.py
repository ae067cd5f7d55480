"""Whole steps of a sequence are hidden."""

import torch
from torch import Tensor

from aerun.core.checks import at_least, within
from aerun.core.errors import AerunError
from aerun.model.corruption.base import refuse_kind
from aerun.parts import Hiding


class TimeDropout(Hiding):
    """Whole steps of x (B, T, F) are hidden, each with probability p, in spans of mean length `span`.

    Hidden and visible follow each other in a chain of two states with P(hidden) = p from the first step on and
    P(visible next | hidden) = 1 / span: with probability r = 1 - 1 / (span (1 - p)) a step is as the one before, else it is
    drawn anew, so span = 1 / (1 - p) hides steps independently. Gilbert 1960,
    https://doi.org/10.1002/j.1538-7305.1960.tb03959.x. Spans that the ends of a sequence cut off are shorter.
    Raises AerunError for data without steps and for a span below 1 / (1 - p).
    """

    def __init__(self, *, kind: str, p: float, span: float, show_mask: bool) -> None:
        super().__init__(show_mask=show_mask)
        refuse_kind("time_dropout", kind, ("sequence", "text"), "which have steps")
        self.p = within("model.corruption.p", p, 0, 0.99)
        at_least("model.corruption.span", span, 1)
        least = 1 / (1 - p)
        if span < least * (1 - 1e-9):
            raise AerunError(
                f"model.corruption.span={span}: hiding {p:g} of all steps makes spans of {least:.4g} even where each step "
                f"is drawn on its own. Use a span of at least {least:.4g}, or a smaller model.corruption.p."
            )
        self.repeat = max(0.0, 1 - least / span)

    def hidden(self, x: Tensor) -> Tensor:
        anew, drawn = torch.rand(2, *x.shape[:2], device=x.device)
        steps = torch.arange(x.shape[1], device=x.device)
        source = torch.where(anew < self.repeat, 0, steps).cummax(1).values  # (B, T): the step whose draw is repeated
        return (drawn < self.p).gather(1, source)[:, :, None].expand_as(x)
