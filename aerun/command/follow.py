"""`aerun score RUN FILE --follow`: rows are scored as they come, by the same numbers as the whole file would give them."""

import argparse
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.command.conditions import of_file
from aerun.core.errors import AerunError, StoppedError
from aerun.core.logs import quiet_aerun
from aerun.core.text import note
from aerun.evaluate.step_scores import Way
from aerun.formats.writing.base import Writer
from aerun.formats.writing.output import growing
from aerun.inference.arriving import Arriving
from aerun.inference.model import Model
from aerun.inference.notes import Counts
from aerun.inference.reading import Piece, Reader
from aerun.inference.scoring import Scoring, noted_of
from aerun.inference.travelling import Travelling
from aerun.inference.verb import Verb

_NAMES = (".csv", ".tsv", ".txt")
_PLACE = re.compile(r"(?:(?<=, )|(?<=: )|^)(?:line|row|sample) \d[\d,]*\b")  # among the rows at hand, and not in the stream
Arrays = dict[str, NDArray[Any]]


class Following:
    """Scores records as they arrive, and writes each batch at once.

    Of series a step is written once all windows that cover it are there, at most a window later; what is kept of the past is
    what those windows still need.
    """

    def __init__(self, model: Model, verb: Verb, args: argparse.Namespace, reader: Reader, scoring: Scoring) -> None:
        self.model, self.verb, self.args, self.reader, self.scoring = model, verb, args, reader, scoring
        self.name = args.files[0]
        self._refuse()
        self.suffix = Path(self.name).suffix.lower() if self.name != "-" else ".txt" if model.facts.tokens else ".csv"
        self.header: bytes | None = b"" if model.facts.tokens or reader.settings.get("header") is False else None
        self.travelling = Travelling(args.output or "-")
        self.past: list[bytes] = []  # records that windows of later steps begin with
        self.known = 0  # of them, those whose rows are written
        self.dropped = 0  # records that were before `past`
        self.counted = list[Counts]()  # what is unusual in the rows
        self.row = 0  # records so far, without the header
        self.empty: Arrays = {}  # a row of each column that says nothing
        self.waiting = 0  # rows without a score that are not written yet

    def _refuse(self) -> None:
        args, settings = self.args, self.reader.settings
        for flag in ("map", "events", "top", "fdr", "smooth", "online"):
            if (value := getattr(args, flag)) is not None and value is not False:
                raise AerunError(f"--follow: --{flag} waits for all rows; leave one of them out.")
        if len(args.files) != 1 or (self.name != "-" and Path(self.name).suffix.lower() not in _NAMES):
            raise AerunError(f"--follow: one file of text ({', '.join(_NAMES)}), or - for standard input.")
        kind = self.model.facts.kind
        if not (args.steps or kind in ("table", "text")):
            raise AerunError(f"--follow: rows of tables, lines of text and steps of series, and this run is of {kind}s.")
        if args.steps and settings.get("group") is not None:
            raise AerunError(f"--follow: steps of one series; dataset.group={settings['group']} tells several apart.")
        if args.steps and settings.get("irregular"):
            raise AerunError("--follow: a run with dataset.irregular reads the time since a step that is no longer at hand.")
        if args.output is None or Path(args.output).suffix.lower() not in (".csv", ".tsv", "") or args.output.endswith("/"):
            raise AerunError("--follow: needs --output FILE.csv, FILE.tsv or -, where rows are appended as they come.")

    def write(self, writer: Writer) -> int:
        """Write scores until the input ends, or an interrupt ends it; return how many."""
        self.writer, done = writer, 0
        source = Arriving(self.name, self.header is None)
        try:
            for batch in source.batches():
                records = self._behind_header(batch)
                for first in range(0, len(records), self.reader.rows):
                    done += self._take(records[first : first + self.reader.rows], False)
        except (KeyboardInterrupt, StoppedError):
            note("stopped: what has come is scored.")
        done += self._take([], True) if self.past else 0
        self.empty = self.empty or {"score": np.full(1, np.nan), "anomaly": np.zeros(1, bool)}
        self._write({})
        if source.rest.strip():
            note(f"{self.name}: ends inside row {self.row + 1} ({_shown(source.rest)}), which is not scored.")
        return done

    def _behind_header(self, batch: list[bytes]) -> list[bytes]:
        if self.header is None and batch:
            self.header, batch = batch[0], batch[1:]
        return batch

    def _take(self, records: list[bytes], last: bool) -> int:
        """Write the scores of records: in one read or, where that fails, half by half until one is left without a score."""
        before = self.row
        self.row += len(records)
        try:
            return self._scored([*self.past, *records], last)
        except AerunError as e:
            if len(records) < 2:
                return self._unscored(records, e)
        self.row, middle = before, len(records) // 2
        return self._take(records[:middle], False) + self._take(records[middle:], last)

    def _unscored(self, records: list[bytes], e: AerunError) -> int:
        """Say that a record cannot be read; a series ends before it, and another begins behind it."""
        told, found = _PLACE.subn(f"row {self.row}", str(e), count=1)
        note(f"not scored: {told}" if found else f"not scored: row {self.row}: {told}")
        done = self._scored(self.past, True) if self.past else 0
        self.past, self.known, self.dropped = [], 0, self.dropped + len(self.past) + len(records)
        self.waiting += len(records)
        if self.empty:
            self._write({})
        return done + len(records)

    def _scored(self, records: list[bytes], last: bool) -> int:
        piece = self._read(records)
        outputs = self.verb.run(of_file(self.model, piece.told), piece.x, self.args)
        arrays = {k: np.asarray(v) for k, v in outputs.items()}
        if "step" in arrays:  # which step of the series it is, and not of what is at hand
            arrays["step"] = arrays["step"] + self.dropped
        noted = noted_of(self.model, piece.x) if self.model.form.named else None
        arrays |= {} if noted is None else noted.rows()
        self.counted += [] if noted is None else [noted.counts()]
        ready = keep = len(records)
        if self.args.steps and not last:
            window, stride = int(self.reader.settings["window"]), self.reader.settings.get("stride")
            ready, keep = piece.x.settled(Way(), window, int(stride or window), fills=True)
        part = slice(self.known, ready)
        new = {k: v[part] for k, v in arrays.items()}
        beside = {k: w[part] for k, w in piece.beside.items()}
        if ready > self.known:
            self._write(self.travelling.join(beside, new, len(new["score"])))
        done = max(0, ready - self.known)
        self.past, self.known, self.dropped = records[keep:], max(ready, self.known) - keep, self.dropped + keep
        return done

    def _write(self, rows: Arrays) -> None:
        """Write rows, behind one without a score for each record before them that could not be read."""
        self.empty = self.empty or {k: _none(v) for k, v in rows.items()}
        gone = {k: np.repeat(v, self.waiting, 0) for k, v in self.empty.items()} if self.waiting else {}
        for part in (gone, rows):
            if part:
                self.scoring.uncovered += int(np.isnan(part["score"]).sum()) if self.args.steps else 0
                self.scoring.add(part)
        self.waiting = 0
        self.writer.flush()

    def _read(self, records: list[bytes]) -> Piece:
        """Return records as a piece of samples: they are read as a file of their own, under its header."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"rows{self.suffix}")
            path.write_bytes((self.header or b"") + b"".join(records))
            try:
                with quiet_aerun():  # what it says names rows of what is at hand
                    pieces = list(self.reader.pieces([str(path)]))
            except AerunError as e:
                raise AerunError(str(e).replace(str(path), self.name)) from e
        if len(pieces) != 1 or len(pieces[0]) != len(records):
            raise AerunError(f"{self.name}: {sum(map(len, pieces)):,} rows are read of {len(records):,} lines.")
        return replace(pieces[0], file=self.name)


def answer(following: Following, about: Mapping[str, Any]) -> None:
    """Write rows as they come, and say at the end how many there were."""
    model, args, reader, scoring = following.model, following.args, following.reader, following.scoring
    if reader.steps and reader.settings.get("time") is not None and reader.settings.get("gaps") == "cut":
        note("--follow: a gap in time is told by what is usual among the rows at hand, not in the whole file.")
    model.form.quiet = True  # said once, at the end
    with growing(args.output, about) as writer:
        scoring.onto(writer)
        done = following.write(writer)
    note(f"{args.output}: {done:,} {scoring.unit[:-1] if done == 1 else scoring.unit}, score by {model.name}")
    for line in [model.form.line(following.counted), *scoring.end()] if done else []:
        if line:
            note(line)


def _none(values: NDArray[Any]) -> NDArray[Any]:
    """Return one row of a column (n, ...) that says nothing: NaN, no word, 0."""
    row = np.zeros((1, *values.shape[1:]), values.dtype)
    if values.dtype.kind == "f":
        row[:] = np.nan
    return row


def _shown(rest: bytes) -> str:
    words = rest.decode("utf-8", "replace").strip()
    return words if len(words) < 40 else f"{words[:37]}..."
