"""Samples as people hold them, in the data's own units, and as the model stores them."""

import logging
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.facts import Facts, real_steps
from aerun.dataset.sequences.symbols import UNKNOWN
from aerun.formats.arrays import plain
from aerun.formats.frame import Words
from aerun.formats.frames import has_columns
from aerun.formats.framing import FrameFormat
from aerun.formats.reading import Reading
from aerun.inference.columns import Rows, frame_of, reading_for, stored_rows, told_columns
from aerun.inference.given import Given
from aerun.inference.notes import Counts, Notes, Rule, rule_of, together
from aerun.preparation.base import Preparation
from aerun.preparation.columns import Columns

log = logging.getLogger("aerun")

_NEAR = 1e-4  # of the range: a value so little outside of it is rounding
Array = NDArray[Any]


@dataclass(frozen=True)
class OutputFormat:
    """How answers are handed back.

    kind: array, tensor, list (of arrays), columns or words; dtype: of the samples given; frame: of columns that came as a data
    frame, how one is made.
    """

    kind: str
    dtype: np.dtype[Any]
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable
    frame: FrameFormat | None = None

    @property
    def whole(self) -> bool:
        """Return whether own units are whole numbers."""
        return self.dtype.kind in "biu"

    def numbers(self, answer: Tensor, names: Sequence[str] | str) -> Any:
        """Return numbers about samples as the samples came: tensors, or frames with these names; else arrays.

        A name: of numbers (n,). Several: of the columns of numbers (n, columns).
        """
        if self.kind == "tensor":
            return answer.to(self.device)
        if self.frame is None or answer.ndim > 2:
            return answer.numpy()
        if isinstance(names, str):
            return self.frame.series(answer.numpy(), names)
        return self.frame.numbers(answer.numpy(), names)


class SampleConverter:
    """Converts between samples in own units and stored samples (n, *stored).

    settings: of the data set, for how words become symbols. reading: what the run wrote down of how its tables were read.

    What is unusual in rows of a table is told in a line of the log, unless `quiet` or told just before: see `notes`. frame: of
    a run that was trained on a data frame in Python, how answers to no samples become one.
    """

    conditions: Given | None = None  # what the model is told beforehand, where it is
    quiet = False
    last = ""  # what was told of the samples before
    frame: FrameFormat | None = None

    def __init__(
        self, facts: Facts, preparation: Preparation, settings: Mapping[str, Any], reading: Mapping[str, Any] | None = None
    ) -> None:
        self.facts, self.preparation = facts, preparation
        self.settings, self.stored_reading = settings, reading or {}
        self.features = preparation.features
        self.by_word, self.lower = settings.get("tokens") == "words", bool(settings.get("lower"))
        self.symbols = {symbol: i for i, symbol in enumerate(facts.tokens)}
        self.give({})

    def give(self, values: Mapping[str, Any]) -> None:
        """Set what the model is told of all samples, one value or one of each. AerunError for what this run is not told."""
        told = self.preparation.told
        if told is not None:
            self.conditions = Given(told, self.reading, values)
        elif values:
            name = next(iter(values))
            raise AerunError(
                f"condition {name}: this run is told nothing beforehand: it was trained without dataset.condition."
            )

    def of_file(self, columns: Mapping[str, Words]) -> "SampleConverter":
        """Return the same for the samples of a file that says these conditions of each of them, as words."""
        if not columns or self.conditions is None:
            return self
        form = copy(self)
        form.conditions = self.conditions.of_file(columns)
        return form

    @property
    def told_names(self) -> list[str]:
        """Return the names of what the model is told beforehand."""
        return [] if self.conditions is None else [f.name for f in self.conditions.features]

    def classes_of(self, name: str) -> tuple[str, ...]:
        """Return the classes of a condition; none where the model is not told it."""
        return next((f.words for f in self.conditions.features if f.name == name), ()) if self.conditions is not None else ()

    @cached_property
    def reading(self) -> Reading:
        """Return how tables are read. AerunError where what the run wrote down is damaged."""
        told = () if self.preparation.told is None else self.preparation.told.features
        return reading_for(self.settings, self.stored_reading, (*self.features, *told) if self.features else ())

    @cached_property
    def rule(self) -> Rule | None:
        """Return what is done with missing cells, unknown words and values out of range.

        None where samples are no rows of a table.
        """
        return rule_of(self.preparation, self.settings, self.stored_reading)

    def notes(self, x: Any) -> Notes | None:
        """Return what rows of a table hold that training rows do not; None for other samples."""
        return None if self.rule is None else self.rule.notes(self._own_stored(x)[0])

    def line(self, counted: Sequence[Counts], filled: bool = False) -> str:
        """Return what `notes` of several pieces counted, in one line; nothing where there is nothing to say.

        filled: missing cells were filled in by the model.
        """
        return "" if self.rule is None else self.rule.line(together(counted), filled)

    def _told(self, stored: Tensor) -> Tensor:
        """Return the rows, and a line in the log of what is unusual in them."""
        if self.rule is not None and not self.quiet:
            line = self.rule.line(self.rule.notes(stored).counts())
            if line and line != self.last:
                log.warning(line)
            self.last = line
        return stored

    @property
    def marked(self) -> bool:
        """Return whether a missing cell of a table has an element of its own, which says so."""
        return isinstance(self.preparation, Columns) and self.preparation.missing == "fill"

    @property
    def named(self) -> bool:
        """Return whether a table has names for its columns. Those of an array are f1, f2, ..."""
        return any(f.kind != "number" or f.name != f"f{i}" for i, f in enumerate(self.features, 1))

    @property
    def way(self) -> OutputFormat:
        """Return the format of answers to no sample.

        Text as words, tables with named columns as such, images of bytes as bytes, else 32-bit arrays.
        """
        if self.facts.tokens:
            return OutputFormat("words", np.dtype(object))
        if self.named:
            return OutputFormat("columns", np.dtype(np.float32), frame=self.frame)
        return OutputFormat("array", np.dtype(np.uint8 if self.facts.unit == 255 else np.float32))

    def to_stored(self, x: Any, about: Any = None) -> tuple[Tensor, OutputFormat]:
        """Return stored samples, and the way back.

        about: the samples whose columns say what the model is told beforehand; None: x. Raises AerunError, which names what
        does not fit the data that the model was trained on.
        """
        own, output_format = self._own_stored(x)
        if self.conditions is None:
            return own, output_format
        about = x if about is None else about
        values = self.told_of(about) if has_columns(about) and self.features else self.conditions.of(len(own))
        return self.facts.joined(own, values), output_format

    def told_of(self, x: Any) -> Tensor:
        """Return the conditions (n, columns) of samples that are columns by name."""
        assert self.conditions is not None
        if isinstance(x, Rows):
            return self.conditions.of(len(x.stored)) if x.told is None else torch.from_numpy(x.told)
        frame = frame_of(x, self.reading)
        return self.conditions.of(len(frame), frame)

    def _own_stored(self, x: Any) -> tuple[Tensor, OutputFormat]:
        if self.facts.tokens:
            return self._of_words(x)
        if has_columns(x):
            stored = self._told(self._checked(self.rows_of(x)))
            return stored, OutputFormat("columns", np.dtype(np.float32), frame=FrameFormat.of(x))
        if isinstance(x, Sequence) and self.facts.ragged:
            return self._of_list(x), OutputFormat("list", np.dtype(np.float32))
        if isinstance(x, Tensor):
            array, output_format = (
                x.detach().cpu().numpy(),
                OutputFormat("tensor", np.dtype(str(x.dtype).rpartition(".")[2].replace("bfloat16", "float32")), x.device),
            )
        else:
            array = plain(x)
            output_format = OutputFormat("array", array.dtype)
        if array.dtype.kind not in "biuf":
            raise AerunError(f"samples of {array.dtype}: this run was trained on numbers.")
        own = np.require(self.shaped(array), _kept(array.dtype), ["C", "W"])  # files that are mapped are read-only
        return self._told(self._checked(torch.from_numpy(own))), output_format

    def to_caller(self, own: Tensor, valid: Tensor | None, output_format: OutputFormat, drawn: bool = False) -> Any:
        """Return own units (n, *stored) as `output_format` says; `valid` (n, T) where lengths differ; drawn: see `own`."""
        if self.facts.tokens:
            return self._to_words(own, valid)
        if output_format.kind == "columns":
            columns = told_columns(own.cpu().numpy(), self.features, drawn)
            return columns if output_format.frame is None else output_format.frame.frame(columns)
        if valid is not None:
            if output_format.kind == "list":
                return [row[: int(v.sum())].cpu().numpy().astype(np.float32) for row, v in zip(own, valid, strict=True)]
            own = own.masked_fill(~valid.reshape(*valid.shape, *[1] * (own.ndim - 2)), torch.nan)
        if output_format.whole:
            limits = np.iinfo(output_format.dtype) if output_format.dtype.kind in "iu" else np.iinfo(np.uint8)
            own = own.round().clamp(max(limits.min, -(2**31)), min(limits.max, 2**31))
        if output_format.kind == "tensor":
            kept = torch.from_numpy(np.zeros(0, output_format.dtype)).dtype
            return own.to(output_format.device, kept)
        dtype = output_format.dtype
        return own.cpu().numpy().astype(dtype if dtype.kind != "f" or dtype.itemsize > 4 else np.float32)

    def own(self, x_hat: Tensor, valid: Tensor | None, drawn: bool = False) -> Tensor:
        """Map what the model says (n, *S) -> own units (n, *stored), within the data's range; symbols' numbers for text.

        drawn: x_hat is a draw, see `Preparation.drawn`.
        """
        facts = self.facts
        if facts.tokens:
            numbers = x_hat.argmax(-1)
            return numbers if valid is None else numbers.masked_fill(~valid, -1)
        if facts.low is not None or facts.high is not None:
            x_hat = x_hat.clamp(facts.low, facts.high)
        return (self.preparation.drawn(x_hat) if drawn else self.preparation.inverse(x_hat)) * facts.unit

    def shaped(self, array: Array) -> Array:
        """Return (n, *stored), also of grey images without their channel, and of colours that come last.

        AerunError for other shapes.
        """
        stored = self.facts.stored
        if array.ndim == len(stored) and len(stored) == 3 and stored[0] == 1 and array.shape[1:] == stored[1:]:
            array = array[:, None]  # grey images without their one channel
        if array.ndim == 4 and len(stored) == 3 and array.shape[1:] == (*stored[1:], stored[0]) != stored:
            array = np.moveaxis(array, 3, 1)
        if array.ndim == 2 and len(stored) == 2 and array.shape[1:] == stored[:1] and stored[1] == 1:
            array = array[..., None]
        if self.facts.ragged and array.ndim == 3 and array.shape[1] < stored[0] and array.shape[2:] == stored[1:]:
            padded = np.full((len(array), *stored), np.nan, np.float32)
            padded[:, : array.shape[1]] = array
            array = padded
        if self.facts.source and array.shape[1:] == (self.facts.source,):
            there = np.full((len(array), stored[0] - self.facts.source), np.nan, np.float32)  # what it computes is not known
            array = np.concatenate([array.astype(np.float32), there], 1)
        if array.shape[1:] != stored:
            raise AerunError(
                f"samples of shape {tuple(array.shape)}: this run was trained on (n, {', '.join(map(str, stored))})"
                f"{f', of which it reads the first {self.facts.source}' if self.facts.source else ''}."
            )
        if not len(array):
            raise AerunError("there are no samples (the input is empty).")
        return array

    def _checked(self, x: Tensor) -> Tensor:
        """Raise AerunError for values that the data could not have."""
        facts = self.facts
        if x.is_floating_point():
            gaps = bool(self.features) or facts.ragged or facts.gaps
            wrong = x.isinf() if gaps else ~x.isfinite()
            if facts.source:
                wrong[:, facts.source :] = x[:, facts.source :].isinf()
            if bool(wrong.any()):
                raise AerunError(f"sample {int(wrong.flatten(1).any(1).int().argmax()) + 1} holds NaN or infinite values.")
            if facts.ragged:
                self._refuse_gaps(x)
        if refused := self.preparation.refuse(x):
            row, place, why = refused
            raise AerunError(f"sample {row + 1}, {self.features[place].name if self.features else place + 1}: {why}.")
        if facts.prepared_from is not None:
            return x
        real = x if not facts.ragged else x[~x.isnan()]
        low, high = (float(v) for v in real.aminmax())
        least = None if facts.low is None else facts.low * facts.unit
        most = None if facts.high is None else facts.high * facts.unit
        near = _NEAR * facts.unit
        outside = (least is not None and low < least - near) or (most is not None and high > most + near)
        small = most is not None and most > 1 and x.is_floating_point() and 0 < high <= 1 and bool((real != real.round()).any())
        if outside or small:
            raise AerunError(
                f"values span [{low:g}, {high:g}]; this run was trained on [{least:g}, {most:g}], in units of its files."
            )
        return x

    def _refuse_gaps(self, x: Tensor) -> None:
        real = real_steps(x) if self.facts.gaps else ~x.flatten(2).isnan().any(2)
        steps = torch.arange(x.shape[1])
        wrong = (real.sum(1) == 0) | (real != (steps < real.sum(1)[:, None])).any(1)
        if bool(wrong.any()):
            what = "no value" if self.facts.gaps else "no steps, or missing values between real ones"
            raise AerunError(f"sequence {int(wrong.int().argmax()) + 1} has {what}.")

    def rows_of(self, x: Any) -> Tensor:
        """Map columns by name -> stored rows (n, columns)."""
        if isinstance(x, Rows):
            return torch.from_numpy(x.stored)
        if not self.features:
            raise AerunError("columns by name: this run's data have no names for theirs; give an array.")
        return stored_rows(frame_of(x, self.reading), self.features)

    def _of_list(self, x: Sequence[Any]) -> Tensor:
        stored = self.facts.stored
        if not len(x):
            raise AerunError("there are no samples (the input is empty).")
        padded = torch.full((len(x), *stored), torch.nan)
        for i, one in enumerate(x):
            series = np.asarray(one, dtype=np.float32)
            series = series[:, None] if series.ndim == 1 and stored[1] == 1 else series
            if series.ndim != 2 or series.shape[1] != stored[1] or not 0 < len(series) <= stored[0]:
                raise AerunError(
                    f"sequence {i + 1} is of shape {series.shape}; this run was trained on (1 to {stored[0]}, {stored[1]})."
                )
            if self.facts.gaps and len(series) > 1 and np.isnan(series[-1]).all():
                raise AerunError(f"sequence {i + 1} ends in steps without any value: leave these out.")
            padded[i, : len(series)] = torch.from_numpy(series)
        return self._checked(padded)

    def _of_words(self, x: Any) -> tuple[Tensor, OutputFormat]:
        if isinstance(x, str) or not all(isinstance(line, str) for line in x):
            raise AerunError("text is given as a list of strings, one a sample.")
        if not len(x):
            raise AerunError("there are no samples (the input is empty).")
        numbers = torch.full((len(x), self.facts.stored[0]), -1, dtype=torch.int16)
        for i, line in enumerate(x):
            line = line.lower() if self.lower else line
            symbols = line.split() if self.by_word else list(line) if line.strip() else []
            if not 0 < len(symbols) <= self.facts.stored[0]:
                raise AerunError(f"line {i + 1} holds {len(symbols)} symbols; this run reads 1 to {self.facts.stored[0]}.")
            numbers[i, : len(symbols)] = torch.tensor([self.symbols.get(s, 0) for s in symbols], dtype=torch.int16)
        return numbers, OutputFormat("words", np.dtype(object))

    def _to_words(self, own: Tensor, valid: Tensor | None) -> list[str]:
        lengths = [own.shape[1]] * len(own) if valid is None else valid.sum(1).tolist()
        tokens = self.facts.tokens
        link = " " if self.by_word or tokens[0] == UNKNOWN["words"] else ""
        return [link.join(tokens[i] for i in row[:n]) for row, n in zip(own.tolist(), lengths, strict=True)]


def _kept(dtype: np.dtype[Any]) -> type[np.generic]:
    return np.uint8 if dtype in (np.uint8, np.bool_) else np.float32
