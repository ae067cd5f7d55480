"""What `aerun score` answers to a piece: of samples, or of the single steps of series."""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aerun.inference.steps import StepSeries, judge
from aerun.inference.verdicts import judged

if TYPE_CHECKING:
    from aerun.inference.model import Model

PICTURES = (".png", ".html")  # outputs of --map that are looked at


def is_picture(output: str | None) -> bool:
    """Return whether an output is a picture, a page of pictures, or a folder of them."""
    return output is not None and (output.endswith("/") or Path(output).suffix.lower() in PICTURES)


def scored(model: "Model", x: Any, args: Namespace) -> dict[str, Any]:
    """Return the columns of a piece: score, verdict, and with --map what they come from."""
    if isinstance(x, StepSeries):
        return _steps(model, x, args)
    columns = judged(model, model.score(x), args)
    if not args.map:
        return columns
    errors, form = model.errors(x), model.form
    if is_picture(args.output):
        return {"errors": errors, "under": form.to_stored(x)[0].numpy(), **columns}
    each = {f"error_{f.name}": errors[:, i] for i, f in enumerate(form.features)} if form.named else {"errors": errors}
    return {**columns, **each}


def _steps(model: "Model", series: StepSeries, args: Namespace) -> dict[str, Any]:
    series.judged = known = judge(model, series)
    columns = {**series.places(), **judged(model, series.in_file(known.score), args, steps=True)}
    worst = np.where(np.isnan(known.errors), -1, known.errors).argmax(1)
    names = np.array([*series.channels, ""])
    columns["channel"] = series.in_file(names[np.where(np.isnan(known.score), len(series.channels), worst)])
    if args.map and not is_picture(args.output):
        columns |= {f"error_{n}": series.in_file(known.errors[:, i]) for i, n in enumerate(series.channels)}
    return columns
