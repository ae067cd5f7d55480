"""What `aerun score` answers to a piece: of samples, or of the single steps of series."""

import math
from argparse import Namespace
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.core.text import note
from aerun.formats.writing.base import Writer
from aerun.formats.writing.output import Kind, written
from aerun.inference.events import Events
from aerun.inference.judged import ERROR
from aerun.inference.maps import SeriesMap
from aerun.inference.nats import has_nats
from aerun.inference.notes import Notes
from aerun.inference.reading import Piece
from aerun.inference.recordings import has_windows
from aerun.inference.steps import StepSeries, judge
from aerun.inference.verdicts import Discoveries, calibrated, judged
from aerun.inference.worst import Worst

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
        return {"errors": errors, "under": model.facts.own(form.to_stored(x)[0]).numpy(), **columns}
    each = {f"error_{f.name}": errors[:, i] for i, f in enumerate(form.features)} if form.named else {"errors": errors}
    nats = model.nats(x) if has_nats(model) else None
    each |= {} if nats is None else {f"nats_{f.name}": nats[:, i] for i, f in enumerate(form.features)}
    return {**columns, **each}


def _steps(model: "Model", series: StepSeries, args: Namespace) -> dict[str, Any]:
    series.merge, series.least, series.blocks = args.merge or 1, args.least or 1, _blocks(model)
    if model.way.smooth > len(series.opened.x) and not series.dropped:
        steps = f"{series.file}: has {len(series.opened.x):,} steps"
        raise AerunError(f"--smooth {model.way.smooth}: {steps}, and a mean of scores is over no more than there are.")
    told = args.top is not None or (args.map and is_picture(args.output))  # what is expected at a step
    windows = (series.opened.x, series.starts, series.tails)
    series.judged = known = judge(model, *windows, series.label, piece=series.piece, expects=told)
    columns = {**series.places(), **judged(model, series.in_file(known.score), args, steps=True)}
    worst = np.where(np.isnan(known.errors), -1, known.errors).argmax(1)
    names = np.array([*series.channels, ""])
    columns["channel"] = series.in_file(names[np.where(np.isnan(known.score), len(series.channels), worst)])
    if args.map and not is_picture(args.output):
        columns |= {f"error_{n}": series.in_file(known.errors[:, i]) for i, n in enumerate(series.channels)}
    return columns


def _blocks(model: "Model") -> NDArray[np.float64] | None:
    blocks = model.calibration.blocks
    return blocks if blocks is not None and len(blocks) else None


def noted_of(model: "Model", x: Any) -> Notes | None:
    """Return what samples, or steps of series, hold that training did not; None where nothing can be said of such data."""
    if not isinstance(x, StepSeries):
        return model.form.notes(x)
    return None if model.form.rule is None else model.form.rule.notes(torch.from_numpy(x.in_file(x.opened.x)))


class Scoring:
    """What a call does beside its rows: verdicts over all of them, the highest and why, events, and maps of series.

    kinds: the writers of maps of `steps` and of `samples`, for the output asked for. Raises AerunError for what cannot be asked
    together, or of this kind of data.
    """

    def __init__(self, model: "Model", args: Namespace, kinds: Mapping[str, Kind]) -> None:
        self.model, self.args, self.kinds = model, args, kinds
        settings = model.config.get("dataset")
        self.settings = settings if isinstance(settings, Mapping) else {}
        windows = has_windows(self.settings) and not model.facts.ragged
        if not windows and (word := "--online" if args.online else "--smooth" if args.smooth is not None else ""):
            raise AerunError(f"{word}: of time steps, and this run has none: dataset=series dataset.window=N.")
        if args.windows and (args.online or args.smooth is not None):
            raise AerunError("--windows: a row is a window; --smooth and --online are of steps.")
        other = f"--by {args.by}" if args.by != ERROR else "--with" if args.others else ""
        if other and windows and not args.windows:
            raise AerunError(f"{other}: scores whole windows, and a row of this call is a step: add --windows.")
        numbered = isinstance(args.threshold, float)
        args.steps = windows and not args.windows and (numbered or model.calibration.steps is not None)
        if windows and not args.windows and not args.steps:
            note("an older aerun wrote down no scores of single steps for this run: a row is a window, as with --windows.")
        self._refuse()
        self.worst = None if args.top is None else Worst(model, args.top, self.settings)
        self.events = None if args.events is None else Events(self.settings.get("group"))
        if self.events is not None and _blocks(model) is None:
            note("column p is empty: this run kept no highest scores of stretches; --threshold blocks finds them in its data.")
        self.pending: deque[StepSeries] = deque()
        self.rows, self.alarms = 0, 0
        self.limit: float | None = None
        self.uncovered, self.at_ends = 0, 0  # steps without a score, and those of windows that end pieces

    @property
    def unit(self) -> str:
        """Return what a row is of."""
        return "steps" if self.args.steps else "samples"

    @property
    def needs_whole(self) -> bool:
        """Return whether a series is asked for as a whole: events, pictures and the highest may reach from piece to piece."""
        return self.args.follow or self.args.events is not None or self.args.top is not None or is_picture(self.args.output)

    def _refuse(self) -> None:
        args = self.args
        if args.output is None and args.top is None and args.events is None:
            raise AerunError("score: --output FILE for all rows, --top N for the highest and why, or both.")
        if args.top is not None and args.top < 1:
            raise AerunError(f"--top {args.top}: how many are printed, from 1.")
        for flag in ("merge", "least"):
            if (value := getattr(args, flag)) is not None and (
                value < 1 or (args.events is None and not is_picture(args.output))
            ):
                why = "from 1" if value < 1 else "of events: with --events FILE or --map --output FILE.html"
                raise AerunError(f"--{flag} {value}: {why}.")
        if args.map and args.output is None:
            raise AerunError("--map: goes into --output FILE: csv, npz, parquet, png, html or DIR/.")
        if (args.events is not None or (args.windows and not has_windows(self.settings))) and not args.steps:
            flag = f"--events {args.events}" if args.events is not None else "--windows"
            raise AerunError(
                f"{flag}: of time steps, and this run has none: dataset=series dataset.window=N trains on windows."
            )
        picture = is_picture(args.output)
        if picture and not args.map:
            raise AerunError(f"--output {args.output}: scores are numbers: csv, xlsx, npz, npy or parquet; --map draws them.")
        if picture and args.steps and args.output.endswith("/"):
            raise AerunError(f"--output {args.output}: series are drawn over time in one png or html.")
        if picture and not args.steps and self.model.facts.kind != "image":
            raise AerunError(f"--map --output {args.output}: draws images, and series by steps; of others csv, npz or parquet.")

    @property
    def kind(self) -> Kind | None:
        """Return the writer that a map needs; None where the name of the output says it."""
        return self.kinds.get(self.unit) if is_picture(self.args.output) else None

    def onto(self, writer: Writer) -> Any:
        """Return what takes the answers on their way to `writer`."""
        self.writer = writer
        if self.args.fdr is None:
            return self
        known = calibrated(self.model, self.args.steps)
        self.judging = Discoveries(self, self.args.fdr, len(known), self.unit)
        return self.judging

    def take(self, piece: Piece, arrays: Mapping[str, Any]) -> None:
        """Take a piece and its answer, before verdicts over all of them."""
        if isinstance(piece.x, StepSeries):
            self.pending.append(piece.x)
            self.uncovered += int(np.isnan(arrays["score"]).sum())
            self.at_ends += piece.x.at_ends(self.model.facts.stored[0])
        elif self.args.steps:
            raise AerunError(f"{piece.file}: holds windows, not steps of series; --windows scores them as such.")
        if self.worst is not None:
            self.worst.take(piece, arrays)

    def add(self, arrays: Mapping[str, Any]) -> None:
        """Take the rows of a piece with their verdicts."""
        series = self.pending.popleft() if self.pending else None
        self.rows += len(arrays["anomaly"])
        self.alarms += int(np.sum(arrays["anomaly"]))
        self.limit = float(arrays["threshold"][0]) if "threshold" in arrays else None
        if series is not None and self.events is not None:
            self.events.take(series, arrays)
        if series is not None and isinstance(self.writer, SeriesMap):
            self.writer.take(series, arrays)
        self.writer.add(arrays)

    def _alarms(self) -> str:
        word = "raises an alarm" if self.alarms == 1 else "raise an alarm"
        rule = "no threshold can be set (inf)" if self.limit == math.inf else f"a score above {self.limit or 0:.4g}"
        return f"{self.alarms:,} of {self.rows:,} {self.unit} {word}: {rule}."

    def end(self) -> list[str]:
        """Return what is to be said at the end, and write the verdicts and the events that wait for it."""
        lines = self.judging.release() if self.args.fdr is not None else [self._alarms()]
        if self.uncovered:
            window = f"a window of {self.model.facts.stored[0]} steps"
            why = f"{window} needs more of the past" if self.args.online else f"they lie in pieces shorter than {window}"
            why += ", they cannot be read" if self.args.follow else ""
            lines.append(f"{self.uncovered:,} steps have no score and raise no alarm: {why}, or values are missing.")
        if self.at_ends:
            lines.append(
                f"{self.at_ends:,} steps at the ends of pieces are judged by a window that ends there, and not every "
                f"{self.settings.get('stride') or self.settings['window']} steps as in training: they may score higher."
            )
        if self.events is not None:
            with written(self.args.events, {}) as writer:
                writer.add(self.events.columns())
            lines.append(f"{self.args.events}: {len(self.events.rows)} events")
        return [*lines, *(self.worst.lines() if self.worst is not None else [])]
