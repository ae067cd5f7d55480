"""`aerun score --top N`: the samples, or steps of series, that score highest, and why."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.inference.model import Model
from aerun.inference.reading import Piece
from aerun.inference.reasons import step_reason
from aerun.inference.steps import StepSeries

_UNITS = {"table": "row", "text": "line", "image": "image", "sequence": "sample"}


@dataclass(frozen=True)
class Entry:
    """score; where: which sample it is; verdict and why in words."""

    score: float
    where: str
    verdict: str
    why: str


class Worst:
    """Keeps the `count` highest scores of a call. settings: of the run's data set, which name columns that tell rows apart.

    Of a series' steps that are less than a window apart, all of one disturbance, only the highest is kept.
    """

    def __init__(self, model: Model, count: int, settings: Mapping[str, Any]) -> None:
        self.model, self.count = model, count
        group, time, self.id = (settings.get(role) for role in ("group", "time", "id"))
        self.shown = (str(group), f"{time}_first", f"{time}_last")  # of windows
        self.entries: list[Entry] = []

    def take(self, piece: Piece, answer: Mapping[str, Any]) -> None:
        """Take a piece and its answer: score, and anomaly or p."""
        scores = np.asarray(answer["score"], dtype=np.float64)
        if isinstance(piece.x, StepSeries):
            new = [self._step(piece.x, i, answer) for i in self._apart(piece.x)]
        else:
            least = self.entries[-1].score if len(self.entries) == self.count else -np.inf
            places = [i for i in np.argsort(-scores, kind="stable")[: self.count].tolist() if scores[i] > least]
            new = self._samples(piece, places, answer) if places else []
        self.entries = sorted([*self.entries, *new], key=lambda e: -e.score)[: self.count]

    def _samples(self, piece: Piece, places: list[int], answer: Mapping[str, Any]) -> list[Entry]:
        stored = self.model.form.to_stored(piece.x)[0][places]
        why = self.model.reasons_of(stored)
        unit = _UNITS[self.model.facts.kind]
        entries = []
        for i, reason in zip(places, why, strict=True):
            where = piece.names[i] if piece.names else f"{piece.file}, {unit} {piece.first + i}"
            entries.append(Entry(float(answer["score"][i]), self._named(piece, i, where), _verdict(answer, i), reason))
        return entries

    def _named(self, piece: Piece, row: int, where: str) -> str:
        windows = self.shown if self.model.facts.kind == "sequence" else ()
        if shown := [f"{n} {piece.beside[n][row]}" for n in windows if n in piece.beside]:
            return f"{where} ({', '.join(shown)})"
        words = piece.beside.get(self.id) if self.id is not None else None
        return where if words is None or not words[row] else f"{self.id} {words[row]} ({where})"

    def _apart(self, series: StepSeries) -> Iterator[int]:
        """Yield the highest steps, by series and time, of which no two of one piece are less than a window apart."""
        assert series.judged is not None
        score, piece, window = np.nan_to_num(series.judged.score, nan=-1.0), series.piece, self.model.facts.stored[0]
        free = score >= 0
        for _ in range(self.count):
            if not free.any():
                return
            best = int(np.where(free, score, -1.0).argmax())
            near = slice(max(0, best - window + 1), best + window)
            free[near] &= piece[near] != piece[best]
            yield best

    def _step(self, series: StepSeries, step: int, answer: Mapping[str, Any]) -> Entry:
        assert series.judged is not None
        row = int(series.opened.row[step])
        name = f"{series.names[step]}, " if len(np.unique(series.opened.series)) > 1 else ""
        unit = series.time if series.time in series.beside else "step"
        where = f"{series.file}: {name}{unit} {series.moments[step]}"
        return Entry(float(series.judged.score[step]), where, _verdict(answer, row), step_reason(series, step))

    def lines(self) -> list[str]:
        """Return the entries in words, the highest first."""
        told = []
        for number, entry in enumerate(self.entries, 1):
            told += [f"{number:3d}. {entry.where}: score {entry.score:.4g}{entry.verdict}", f"     {entry.why}"]
        return told


def _verdict(answer: Mapping[str, Any], row: int) -> str:
    if "p" in answer:
        return f", p {float(answer['p'][row]):.3g}"
    flags: NDArray[np.bool_] = answer["anomaly"]
    return f", {'an alarm' if flags[row] else 'no alarm'} (threshold {float(answer['threshold'][row]):.4g})"
