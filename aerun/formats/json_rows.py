"""Records in JSON: one a line (jsonl, ndjson), or an array of them."""

import json
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats.codes import EXACT
from aerun.formats.problems import unclear
from aerun.formats.reading import Reading, checked_names
from aerun.formats.text_lines import lines_of

SUFFIXES = (".jsonl", ".ndjson", ".json")
_TIMES = 12  # bytes of memory that a byte of an array of records takes while it is read

_HEAD = 1000  # records of a stream that its names are taken from

Record = tuple[str, dict[str, Any]]  # where it is, and what it holds
_KINDS = {"dict": "an object", "list": "a list", "str": "a word", "NoneType": "null", "bool": "a truth value"}


def json_rows(path: Path, reading: Reading) -> tuple[list[str], Iterator[list[Any]], Reading]:
    """Return the names of all keys in the order in which they come, the records as rows, and the reading in these names.

    A key that a record lacks is a missing cell. The file is read twice, so that only one record is held at a time; of an array
    all are. AerunError names the line (the record, of an array), and the key, where it is no record or a cell is no cell.
    """
    names: dict[str, None] = {}
    for _, record in _records(path, reading.encoding):
        names.update(dict.fromkeys(record))
    if not names:
        raise AerunError(f"{path}: is empty.")
    known, reading = checked_names(str(path), list(names), reading)
    wanted = [reading.wants(name) or name in reading.carried for name in known]
    return known, _rows(path, list(names), wanted, reading.encoding), reading


def json_stream(path: Path, lines: Iterator[str], reading: Reading) -> tuple[list[str], Iterator[list[Any]], Reading]:
    """Return what `json_rows` does of the lines of a stream, which can be read once alone.

    Its names are those of the first 1,000 records; AerunError for a later one with a key that is asked for and new.
    """
    records = _records_in(path, ((number, line) for number, line in enumerate(lines, 1) if line.strip()))
    head = list(islice(records, _HEAD))
    names = dict.fromkeys(name for _, record in head for name in record)
    known, reading = checked_names(str(path), list(names), reading)
    wanted = [reading.wants(name) or name in reading.carried for name in known]

    def rows() -> Iterator[list[Any]]:
        for where, record in chain(head, records):
            if late := next((n for n in record if n not in names and n in reading.formats), None):
                raise AerunError(f"{where}: '{late}' comes for the first time after {_HEAD:,} records. Give a file instead.")
            yield [_cell(where, n, record.get(n)) if keep else None for n, keep in zip(names, wanted, strict=True)]

    return known, rows(), reading


def _rows(path: Path, names: list[str], wanted: list[bool], encoding: str) -> Iterator[list[Any]]:
    for where, record in _records(path, encoding):
        yield [_cell(where, n, record.get(n)) if keep else None for n, keep in zip(names, wanted, strict=True)]


def _cell(where: str, name: str, value: Any) -> Any:
    """Return a value as a cell: whole numbers that 64-bit floats would not keep are words, as in a text file."""
    if isinstance(value, dict | list):
        raise unclear(
            f"{where}: '{name}' holds {_KINDS[type(value).__name__]}: a cell is a number, a word, true, false or null. "
            f"dataset.drop=[{name}] leaves it out.",
            drop=[name],
        )
    return str(value) if type(value) is int and abs(value) > EXACT else value


def _records(path: Path, encoding: str) -> Iterator[Record]:
    yield from _records_in(path, ((number, line) for number, line in enumerate(lines_of(path, encoding), 1) if line.strip()))


def _records_in(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[Record]:
    first = next(lines, None)
    if first is None:
        return
    if first[1].lstrip().startswith("["):
        yield from _of_array(path, chain([first], lines))
        return
    for number, line in chain([first], lines):
        where = f"{path}, line {number}"
        yield where, _record(where, _parsed(where, line))


def _of_array(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    parts, size = [], 0
    for _, line in lines:
        parts.append(line)
        size += len(line)
        refuse_beyond(str(path), _TIMES * size)
    for number, value in enumerate(_parsed(str(path), "".join(parts)), 1):
        where = f"{path}, record {number}"
        yield where, _record(where, value)


def _parsed(where: str, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as e:
        raise AerunError(f"{where}: not JSON, or cut short: {e.msg} at column {e.colno}.") from e
    except (ValueError, RecursionError) as e:
        raise AerunError(f"{where}: not JSON that can be read: {str(e).splitlines()[0]}.") from e


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError(f"the key '{next(k for k, _ in pairs if [n for n, _ in pairs].count(k) > 1)}' stands there twice")
    return record


def _record(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        what = _KINDS.get(type(value).__name__, "a number")
        raise AerunError(f'{where}: is {what}, not a record such as {{"a": 1}}.')
    return value
