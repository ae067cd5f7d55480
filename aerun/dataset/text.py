"""Lines of a text file, as sequences of characters or words."""

import logging
from collections import Counter
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.memory import refuse_beyond
from aerun.dataset.base import Dataset
from aerun.dataset.files import HERE
from aerun.dataset.sequences.symbols import UNKNOWN
from aerun.dataset.splits import Data, Split
from aerun.dataset.tables.partition import Cut
from aerun.formats.frame import Frame

log = logging.getLogger("aerun")

NAMES = HERE / "names.txt"
_END, _LEAST, _MOST = -1, 4, 32_000  # fewer lines cannot be cut into three; more symbols do not fit 16 bits


class Text(Dataset):
    """Lines of a UTF-8 file, one sample a line; path null: 5,000 US family names.

    `test_path` is the test split, or the share `test` is drawn at random; the share `val` of the others is for validation.

    tokens: `characters` (code points of the line as it is), or `words` (what blanks part). Samples are stored as numbers of
    symbols (n, T), -1 behind the end; T is the longest line's length (of both files), at most max_length: longer lines are
    cut, and blank ones left out; both are counted in the log. Symbol 0 stands for every unknown one: those that the training
    lines do not hold, and those beyond its `vocabulary` most frequent; their share of the test lines is logged where it is
    above 5 %. The names: US Census Bureau 1990, public domain.
    Raises AerunError for a file that is missing, not UTF-8 (with the line), or has fewer than 4 lines that are not blank.
    """

    def __init__(
        self,
        *,
        path: str | None,
        test_path: str | None,
        tokens: str,
        max_length: int,
        vocabulary: int,
        lower: bool,
        val: float,
        test: float,
    ) -> None:
        self.path = NAMES if path is None else Path(path).expanduser()
        self.test_path = None if test_path is None else Path(test_path).expanduser()
        if test_path is not None and path is None:
            raise AerunError(f"dataset.test_path={test_path} needs dataset.path, the lines to train on.")
        self.cut = Cut(None, None, None, val, test)
        self.tokens = one_of("dataset.tokens", tokens, tuple(UNKNOWN))
        self.max_length = integer("dataset.max_length", max_length, 1)
        self.vocabulary = integer("dataset.vocabulary", vocabulary, 1)
        if vocabulary > _MOST:
            raise AerunError(f"dataset.vocabulary={vocabulary}: at most {_MOST} symbols; rarer ones are read as unknown.")
        self.lower = lower

    def facts(self) -> Facts:
        samples, symbols = self._read
        shape = (samples[0].x.shape[1], len(symbols))
        return Facts(shape=shape, kind="text", unit=1.0, low=0.0, high=1.0, classes=None, ragged=True, tokens=symbols)

    def read(self) -> Data:
        return Data(*self._read[0])

    @cached_property
    def _read(self) -> tuple[list[Split], tuple[str, ...]]:
        """Return the three splits and the symbols by number; the file is read once."""
        files = [("dataset.path", self.path, _LEAST)]
        files += [] if self.test_path is None else [("dataset.test_path", self.test_path, 1)]
        texts = [self._lines(*file) for file in files]
        lines = [line for own in texts for line in own]
        sizes = tuple((str(path), len(own)) for (_, path, _), own in zip(files, texts, strict=True))
        parts = [rows.tolist() for rows in self.cut(Frame({}, sizes))]
        counts = Counter(symbol for number in parts[0] for symbol in lines[number])
        unknown = UNKNOWN[self.tokens]
        frequent = sorted(symbol for symbol, _ in counts.most_common(self.vocabulary) if symbol != unknown)
        symbols = (unknown, *frequent)
        number_of = {symbol: number for number, symbol in enumerate(symbols)}
        steps = max(map(len, lines))
        samples = [Split(_numbers([lines[i] for i in part], number_of, steps), None) for part in parts]
        self._tell_unknown(samples[2].x)
        return samples, symbols

    def _tell_unknown(self, x: Tensor) -> None:
        unknown, count = int((x == 0).sum()), int((x >= 0).sum())
        if 20 * unknown > count:
            words = "dataset=text: %.1f %% of the symbols of the test lines are unknown: the training lines do not hold them."
            log.warning(words, 100 * unknown / count)

    def _lines(self, key: str, path: Path, least: int) -> list[list[str]]:
        """Return the symbols of every line that is not blank, cut at max_length."""
        try:
            refuse_beyond(str(path), 20.0 * path.stat().st_size)  # bytes that one character takes as a symbol
            stored = path.read_bytes().removesuffix(b"\n").split(b"\n")
        except OSError as e:
            raise AerunError(f"{key}={path}: cannot be read: {e.strerror}. Give a text file, one sample a line.") from e
        lines = [self._symbols(key, path, line, number) for number, line in enumerate(stored, 1)]
        kept = [line for line in lines if line]
        if len(kept) < least:
            what = "for training, validation and test samples" if least == _LEAST else "to test on"
            raise AerunError(f"{key}={path}: {len(kept)} lines with text; at least {least} are needed, {what}.")
        long = sum(len(line) > self.max_length for line in kept)
        log.info("%s: %d samples, %d blank lines left out", path.name, len(kept), len(lines) - len(kept))
        if long:
            log.warning("%s: %d lines were cut at dataset.max_length=%d.", path.name, long, self.max_length)
        return [line[: self.max_length] for line in kept]

    def _symbols(self, key: str, path: Path, stored: bytes, number: int) -> list[str]:
        try:
            line = stored.decode("utf-8-sig" if number == 1 else "utf-8").removesuffix("\r")
        except UnicodeDecodeError as e:
            raise AerunError(f"{key}={path}: line {number} is not UTF-8 text. Convert the file to UTF-8.") from e
        line = line.lower() if self.lower else line
        if self.tokens == "words":
            return line.split()
        return list(line) if line.strip() else []


def _numbers(lines: list[list[str]], number_of: dict[str, int], steps: int) -> Tensor:
    """Return symbol numbers (n, T) in int16: 0 for unknown symbols, -1 behind the end."""
    numbers = torch.full((len(lines), steps), _END, dtype=torch.int16)
    for row, line in zip(numbers, lines, strict=True):
        row[: len(line)] = torch.tensor([number_of.get(symbol, 0) for symbol in line], dtype=torch.int16)
    return numbers
