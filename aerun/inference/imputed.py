"""The answers of `aerun impute`: rows with their gaps filled, draws, intervals and how many codes count."""

import logging
from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.streams import is_stdout
from aerun.inference.inpainting import Imputation, Tally, impute
from aerun.inference.model import Model
from aerun.inference.verb import Answer
from aerun.inference.written_cells import Rewriter, WrittenRows

log = logging.getLogger("aerun")


def imputed(model: Model, x: Any, args: Namespace) -> Answer:
    """Return the columns or arrays that one piece of a file becomes. With draws each row stands there so many times."""
    seed, args.next_seed = getattr(args, "next_seed", args.seed), getattr(args, "next_seed", args.seed) + 1
    found = impute(model, x, args.codes, args.draws, args.interval, seed)
    args.tally = getattr(args, "tally", Tally()).plus(found)
    draws = found.draws if args.draws else (found.values,)
    answer = _rows(x, found, draws, args) if isinstance(x, WrittenRows) else {"x": _each(draws)}
    count = len(draws)
    if args.interval is not None:
        answer |= _interval(x, found, count)
    if args.draws:
        answer["draw"] = np.tile(np.arange(1, count + 1), len(found.ess))
    if args.ess:
        answer["ess"] = np.repeat(found.ess, count)
    return answer


def _rows(x: WrittenRows, found: Imputation, draws: Any, args: Namespace) -> dict[str, NDArray[Any]]:
    if not hasattr(args, "rewriter"):
        own = {f.name for f in x.features}
        if others := [name for name in x.words if name not in own]:
            log.warning("impute: not read by the model, and left as written, gaps included: %s.", ", ".join(others))
        args.rewriter = Rewriter(is_stdout(args.output) or args.output.endswith((".csv", ".tsv")))
    each = [args.rewriter.columns(x, draw, found.hidden) for draw in draws]
    return {name: _each([columns[name] for columns in each]) for name in each[0]}


def _interval(x: Any, found: Imputation, count: int) -> dict[str, Any]:
    """Return NAME_low and NAME_high of each column of numbers; of samples that are no rows, arrays low and high."""
    ends = {"low": found.low, "high": found.high}
    if not isinstance(x, WrittenRows):
        return {k: np.repeat(np.asarray(v), count, 0) for k, v in ends.items()}
    numbers = [f.name for f in x.features if f.kind == "number"]
    return {f"{name}_{end}": np.repeat(values[name], count) for name in numbers for end, values in ends.items()}


def _each(draws: Any) -> NDArray[Any]:
    """Return draws (n, ...) of the same rows as one array, (n * M, ...): all draws of a row stand together."""
    stacked = np.stack([np.asarray(d) for d in draws], 1)
    return stacked.reshape(-1, *stacked.shape[2:])
