"""Events for TensorBoard: curves over epochs, pictures, the run's card, settings and results for HParams."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.text import shown_line
from aerun.logger import names
from aerun.logger.base import About, Logger
from aerun.logger.png import png
from aerun.logger.rows import METRICS
from aerun.runs import plain

if TYPE_CHECKING:
    from aerun.runs.events import Events

_TRAINING = ".training"  # suffix of the events of training, whose axis counts epochs; older ones have none and count steps
_OLDER = re.compile(r"events\.out\.tfevents\.\S*\.\d+")


class Tensorboard(Logger):
    """RUN/events.out.tfevents.*; the horizontal axis counts epochs that are done.

    On resume, points after the checkpoint are dropped. A run of before epochs were counted is written anew from metrics.csv.
    """

    inside = True

    def __init__(self) -> None:
        self.writer: Events | None = None
        self.named: set[str] = set()  # tags whose description is written

    def open(self, about: About, epoch: int, steps: int) -> None:
        older = bool(epoch) and _has_older_events(about.folder)
        self._write_to(about, _TRAINING, 1 if older else epoch + 1 if epoch else None)
        # Without the first summary, which would name one run's columns for all, TensorBoard finds the columns in every run.
        for summary in self._session[:1]:
            self._events.add_proto(summary)
        self._events.add_custom_scalars(_layout(about.terms))
        if older:
            self._points(plain.numbers(about.folder, row) for row in plain.rows(about.folder, METRICS))
        self._events.flush()

    def reopen(self, about: About) -> None:
        self._write_to(about, ".results", None)

    def _write_to(self, about: About, suffix: str, purge_step: int | None) -> None:
        # deferred: TensorBoard is imported where something is written for it
        from torch.utils.tensorboard.summary import hparams

        # deferred: as that
        from aerun.runs.events import Events

        self.named = set()
        self.writer = Events(about.folder, suffix, purge_step=purge_step)
        self._session = (
            hparams(names.settings(about.config, about.folder), {})[1:] if about.config else ()
        )  # its start and its end

    @property
    def _events(self) -> "Events":
        assert self.writer is not None
        return self.writer

    def metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        self._points(rows)
        self._events.flush()

    def _points(self, rows: Iterable[Mapping[str, float]]) -> None:
        for row in rows:
            self._add({names.scalar(k): v for k, v in row.items() if k != "epoch"}, int(row["epoch"]) + 1)

    def _add(self, points: Mapping[names.Named, float], epoch: int) -> None:
        # deferred: TensorBoard is imported where something is written for it
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=n.tag, simple_value=v, metadata=self._described(n)) for n, v in points.items()]
        self._events.add_proto(Summary(value=values), epoch)

    def _described(self, named: names.Named) -> Any:
        """Return the metadata of a tag, which its first point carries; None for later ones."""
        # deferred: TensorBoard is imported where something is written for it
        from tensorboard.compat.proto.summary_pb2 import SummaryMetadata

        if named.tag in self.named or not named.words:
            return None
        self.named.add(named.tag)
        return SummaryMetadata(display_name=named.tag.partition("/")[2], summary_description=named.words)

    def extra(self, figures: Mapping[str, float], epoch: int) -> None:
        self._add({names.Named(f"Training/{shown_line(k)}"): v for k, v in figures.items()}, epoch)

    def picture(self, name: str, pixels: NDArray[np.uint8], caption: str, epoch: int) -> None:
        # deferred: TensorBoard is imported where something is written for it
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.plugins.image.metadata import create_summary_metadata

        height, width, _ = pixels.shape
        # A tensor and not an image of old: of such, TensorBoard's faster reader leaves out the caption.
        parts = TensorProto(dtype="DT_STRING", string_val=[b"%d" % width, b"%d" % height, png(pixels)])
        parts.tensor_shape.dim.add(size=3)
        tag = names.picture(name)
        about = create_summary_metadata(tag.partition("/")[2], caption, converted_to_tensor=True)
        self._events.add_proto(Summary(value=[Summary.Value(tag=tag, tensor=parts, metadata=about)]), epoch)
        self._events.flush()

    def figures(self, figures: Mapping[str, float], epoch: int) -> None:
        self._add({names.final(k): float(v) for k, v in figures.items()}, epoch)
        self._events.flush()

    def results(self, results: Mapping[str, Any], objective: str, epoch: int) -> None:
        self._add(names.answers(results, objective), epoch)

    def card(self, text: str, epoch: int) -> None:
        # deferred: TensorBoard is imported where something is written for it
        from torch.utils.tensorboard.summary import text as summary_of

        summary = summary_of("Card", text)
        summary.value[0].tag = "Card"  # torch adds words of its own
        self._events.add_proto(summary, epoch)
        self._events.flush()

    def end(self, done: bool) -> None:
        for summary in self._session[1:] if done else ():  # the status of one that fails stays unknown
            self._events.add_proto(summary)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()


def _has_older_events(folder: Path) -> bool:
    return any(_OLDER.fullmatch(name) for name in os.listdir(folder))


def _layout(terms: Sequence[str]) -> dict[str, Any]:
    """Return TensorBoard's custom scalars: training and validation of one term in one chart."""
    charts = {}
    for term in terms:
        pair = [names.scalar(f"{split}/{term}").tag for split in ("train", "val")]
        title = pair[0].partition("/")[2].rpartition(",")[0]
        charts[title] = ["Multiline", [f"{re.escape(tag)}$" for tag in pair]]
    error = names.scalar("val/mse").tag
    return {"Training and validation": {error.partition("/")[2]: ["Multiline", [f"{re.escape(error)}$"]], **charts}}
