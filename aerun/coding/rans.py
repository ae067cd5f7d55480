"""An entropy coder: whole numbers and how probable they are, to bytes and back, bit by bit the same.

Range variant of asymmetric numeral systems (rANS): a state x takes up a symbol of frequency f and start c, out of 2^16, by
x <- (x // f) 2^16 + c + x mod f, which costs log2(2^16 / f) bits, and gives it back by x mod 2^16. Whatever exceeds 32 bits
leaves the state 16 bits at a time. Several states ("lanes") work side by side on one stream of words.
Duda 2013, https://arxiv.org/abs/1311.2540; interleaved: Giesen 2014, https://arxiv.org/abs/1402.3392.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError

PRECISION = 16
TOTAL = 1 << PRECISION
_WORD, _LEAST = np.uint64(16), 1 << 16  # a state lies in [2^16, 2^32) between symbols
_BITS = np.uint64(PRECISION)
_LANES, _LANE_BYTES = 1024, 512  # most lanes; fewest bytes for each lane, which costs 2 itself

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Tables:
    """Frequencies of symbols 0..A-1 in each of T tables, (T, A): integers that sum to 2^16 in every row; 0 never occurs."""

    frequency: Ints

    def __post_init__(self) -> None:
        if self.frequency.ndim != 2 or (self.frequency < 0).any() or (self.frequency.sum(1) != TOTAL).any():
            raise AerunError(f"coding tables: every row must hold whole numbers that sum to {TOTAL}.")

    @property
    def start(self) -> Ints:
        """Return the sum of the frequencies of all smaller symbols, (T, A)."""
        return np.cumsum(self.frequency, 1) - self.frequency

    def bits(self, symbols: Ints, table: Ints) -> float:
        """Return -sum_i log2 p(symbol_i), the length of a perfect code.

        Raises AerunError for a symbol that is not in its table.
        """
        return float((PRECISION - np.log2(self._chosen(symbols, table))).sum())

    def _chosen(self, symbols: Ints, table: Ints) -> Ints:
        inside = (symbols >= 0) & (symbols < self.frequency.shape[1])
        frequency = np.where(inside, self.frequency[table, np.where(inside, symbols, 0)], 0)
        if not frequency.all():
            raise AerunError(f"coding: symbol {int(symbols[frequency == 0][0])} is not in its table.")
        return frequency


def tables_of(counts: NDArray[np.float64]) -> Tables:
    """Return tables from counts (T, A): frequencies in proportion, but at least 1 where a count is above 0.

    Raises AerunError for a row without any count, and for more than 2^15 symbols in a row.
    """
    alive = counts > 0
    if not alive.any(1).all() or (alive.sum(1) > TOTAL // 2).any():
        raise AerunError(f"coding tables: a row needs between 1 and {TOTAL // 2} symbols.")
    room = TOTAL - alive.sum(1, keepdims=True)
    frequency = np.floor(room * counts / counts.sum(1, keepdims=True)).astype(np.int64) + alive
    rows = np.arange(len(counts))
    frequency[rows, counts.argmax(1)] += TOTAL - frequency.sum(1)
    return Tables(frequency)


def encode(symbols: Ints, table: Ints, tables: Tables) -> bytes:
    """Return symbols (n,), each coded by the table whose number is in `table` (n,), as bytes.

    2 bytes: the number L of lanes. 4 L bytes: their last states. The rest: words. Symbol i belongs to lane i mod L. Raises
    AerunError for a symbol that is not in its table.
    """
    writer = Writer()
    writer.add(symbols, table, tables)
    return writer.to_bytes()


def decode(data: bytes, table: Ints, tables: Tables) -> Ints:
    """Return the symbols (n,) that were encoded with these tables.

    Raises AerunError for bytes that are not such an encoding.
    """
    reader = Reader(data)
    symbols = reader.take(table, tables)
    reader.finish()
    return symbols


class Writer:
    """Takes symbols part by part, each with tables of its own, and makes one stream of them."""

    def __init__(self) -> None:
        self.bits = 0.0
        self._parts: list[tuple[Ints, Ints]] = []

    def add(self, symbols: Ints, table: Ints, tables: Tables) -> None:
        """Add symbols (n,), each coded by the table whose number is in `table` (n,)."""
        frequency = tables._chosen(symbols, table)
        self.bits += float((PRECISION - np.log2(frequency)).sum())
        self._parts.append((frequency, tables.start[table, symbols]))

    def to_bytes(self) -> bytes:
        """Return the stream of all parts in order."""
        lanes = int(np.clip(self.bits / 8 / _LANE_BYTES, 1, _LANES))
        f = np.concatenate([_lined(frequency, lanes, TOTAL) for frequency, _ in self._parts])
        c = np.concatenate([_lined(start, lanes, 0) for _, start in self._parts])
        x = np.full(lanes, _LEAST, dtype=np.uint64)
        words: list[NDArray[np.uint16]] = []
        for t in range(len(f) - 1, -1, -1):
            full = (x >> (np.uint64(32) - _BITS)) >= f[t]
            words.append((x[full] & np.uint64(0xFFFF)).astype("<u2"))
            x = np.where(full, x >> _WORD, x)
            x = (x // f[t] << _BITS) + c[t] + x % f[t]
        stream = np.concatenate(words[::-1]) if words else np.zeros(0, "<u2")
        return lanes.to_bytes(2, "little") + x.astype("<u4").tobytes() + stream.astype("<u2").tobytes()


class Reader:
    """Gives back part by part what a Writer took: the tables of a part may depend on the symbols of those before it.

    Raises AerunError for bytes that are no such stream.
    """

    def __init__(self, data: bytes) -> None:
        lanes = int.from_bytes(data[:2], "little")
        if not lanes or len(data) < 2 + 4 * lanes or (len(data) - 2) % 2:
            raise AerunError("coding: these bytes are no encoding, or cut short.")
        self._x = np.frombuffer(data, "<u4", lanes, 2).astype(np.uint64)
        self._words = np.frombuffer(data, "<u2", offset=2 + 4 * lanes).astype(np.uint64)
        self._at = 0

    def take(self, table: Ints, tables: Tables) -> Ints:
        """Return the next symbols (n,), each coded by the table whose number is in `table` (n,)."""
        x, lanes = self._x, len(self._x)
        own = _lined(table, lanes, 0)
        steps = len(own)
        symbols = np.zeros((steps, lanes), dtype=np.int64)
        start, frequency = tables.start, tables.frequency
        last = len(table) - (steps - 1) * lanes if steps else 0  # lanes that have a symbol in the last step
        for t in range(steps):
            rows, slot = own[t].astype(np.int64), x & np.uint64(TOTAL - 1)
            # The last symbol that starts at or below the slot, which never is one of frequency 0.
            symbol = (start[rows] <= slot.astype(np.int64)[:, None]).sum(1) - 1
            live = np.arange(lanes) < (last if t == steps - 1 else lanes)
            step = frequency[rows, symbol].astype(np.uint64) * (x >> _BITS) + slot - start[rows, symbol].astype(np.uint64)
            x = np.where(live, step, x)
            low = live & (x < _LEAST)
            count = int(low.sum())
            if self._at + count > len(self._words):
                raise AerunError("coding: these bytes are cut short.")
            x[low] = (x[low] << _WORD) | self._words[self._at : self._at + count]
            self._at, symbols[t] = self._at + count, symbol
        self._x = x
        return symbols.reshape(-1)[: len(table)]

    def finish(self) -> None:
        """Raise AerunError where the stream does not end here."""
        if self._at != len(self._words) or (self._x != _LEAST).any():
            raise AerunError("coding: these bytes belong to other tables or other symbols.")


def _lined(values: Ints, lanes: int, filler: int) -> NDArray[np.uint64]:
    """Map (n,) to (steps, lanes); what is missing is filled so that it costs nothing: frequency 2^16, start 0."""
    steps = -(-len(values) // lanes)
    padded = np.full(steps * lanes, filler, dtype=np.uint64)
    padded[: len(values)] = values
    return padded.reshape(steps, lanes)
