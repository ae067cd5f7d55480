"""Tables in one file or in several: of a list, of a pattern, of a folder, of a set that HuggingFace's library saved."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.formats import arrow_files, h5ad
from aerun.formats.compressed import PACKED, bare_suffix
from aerun.formats.found import Found, Paths, found, hive, natural
from aerun.formats.frame import Frame, place_in
from aerun.formats.limits import Limits, typed_size
from aerun.formats.opening import Head
from aerun.formats.problems import Problem, UnclearError
from aerun.formats.reading import Reading
from aerun.formats.tables import BINARY, TEXT, begun, columns_of, from_arrow, from_columns, is_typed, read_table, table_pieces
from aerun.formats.typed_parts import Part, refuse_other_columns, typed_parts

FILE = "file"  # the column that says which file a row is from
_SUFFIXES = (*TEXT, *BINARY, h5ad.SUFFIX, *(f"{t}{p}" for t in TEXT for p in PACKED))


def read_tables(key: str, value: Paths, reading: Reading, bounds: Limits) -> Frame:
    """Return the table in all files that the setting `key` names, see `found`: rows of the same columns, by their names.

    A column `file` with the name of each row's file is there where a setting asks for it and the files have none. Folders
    called NAME=VALUE give their files the column NAME. AerunError names the part that is wrong.
    """
    files = files_of(key, value)
    parts = [_part(path, name, reading) for path, name in zip(files.files, files.names, strict=True)]
    if files.alone and bare_suffix(files.files[0]) == h5ad.SUFFIX:
        return h5ad.read(key, files.files[0], reading)
    kinds = {_is_arrow(p.path): p.path for p in parts}
    if len(kinds) > 1:
        raise AerunError(
            f"{key}={files.label}: {kinds[True]} and {kinds[False]} are of different kinds: parts of one table are of one."
        )
    if files.alone and not parts[0].constants and not (True in kinds and _is_large(parts[0].path, bounds)):
        return read_table(key, parts[0].path, reading, bounds)
    for part in parts:
        if not part.path.is_file():
            raise AerunError(f"{key}={part.path}: {'is a folder' if part.path.is_dir() else 'no such file'}.")
    return (typed_parts if True in kinds else partial(_row_parts, key))(files.label, parts, reading, bounds)


def pieces(key: str, files: Found, reading: Reading, rows: int) -> Iterator[tuple[str, Frame]]:
    """Yield all files' rows in pieces of about `rows`, each with the path of its file, with the columns of `read_tables`.

    Nothing larger than a piece is held, but of xlsx and h5ad files.
    """
    for path, name in zip(files.files, files.names, strict=True):
        part = _part(path, name, reading)
        for frame in _pieces(key, path, reading, rows):
            yield str(path), _with_constants(frame, part.constants, reading)


def _pieces(key: str, path: Path, reading: Reading, rows: int) -> Iterator[Frame]:
    if bare_suffix(path) == h5ad.SUFFIX:
        yield h5ad.read(key, path, reading)
    elif _is_arrow(path) and path.is_file():
        columns = list(arrow_files.heads(path)[0])
        first = 1
        for where, table in arrow_files.batches(path, columns):
            for start in range(0, table.num_rows, rows):
                part = table.slice(start, rows)
                yield from_arrow(part, str(path) if first == 1 else f"{where}, from row {first} on", reading)
                first += part.num_rows
    else:
        yield from table_pieces(key, path, reading, rows)


def _with_constants(frame: Frame, constants: Mapping[str, str], reading: Reading) -> Frame:
    """Return a piece with the columns that its file's folders and name give it."""
    own = {n: [w] * len(frame) for n, w in constants.items() if n not in frame.columns and n not in frame.carried}
    if not own:
        return frame
    given = from_columns(own, frame.file, len(frame), replace(reading, loose=True))
    return replace(frame, columns={**frame.columns, **given.columns}, carried={**frame.carried, **given.carried})


def files_of(key: str, value: Paths, suffixes: Collection[str] = _SUFFIXES) -> Found:
    """Return the files that a setting names; of a folder that HuggingFace's library saved, those that it lists."""
    if isinstance(value, str | Path) and (saved := saved_files(key, value)):
        return saved
    return found(key, value, suffixes)


def saved_files(key: str, value: str | Path) -> Found | None:
    """Return the files that a folder of HuggingFace's `save_to_disk` lists; None of other folders and files."""
    folder = Path(value).expanduser()
    files = _saved(key, folder)
    return Found(str(value), tuple(files), tuple(p.relative_to(folder).as_posix() for p in files)) if files else None


def _saved(key: str, folder: Path) -> list[Path]:
    """Return the files of a folder of `save_to_disk`, split by split; none of other folders."""
    if (folder / "dataset_dict.json").is_file():
        splits = _json(folder / "dataset_dict.json").get("splits", [])
        return [path for split in splits for path in _of_state(key, folder / str(split))]
    return _of_state(key, folder) if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file() else []


def _of_state(key: str, folder: Path) -> list[Path]:
    state = _json(folder / "state.json")
    if state.get("_indices_files") or state.get("_indices_data_files"):
        raise AerunError(f"{key}={folder}: keeps a choice of rows beside its data: flatten_indices() and save_to_disk() anew.")
    try:
        files = [folder / Path(str(entry["filename"])).name for entry in state["_data_files"]]
    except (KeyError, TypeError) as e:
        raise AerunError(f"{folder / 'state.json'}: damaged: it does not list the files of the data.") from e
    for path in files:
        if not path.is_file():
            raise AerunError(f"{key}={folder}: {path.name}, which state.json lists, is missing.")
    return sorted(files, key=lambda p: natural(p.name))


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as e:
        raise AerunError(f"{path}: missing, or damaged: {str(e).splitlines()[0]}.") from e
    if not isinstance(content, dict):
        raise AerunError(f"{path}: damaged: it holds no names.")
    return content


def _part(path: Path, name: str, reading: Reading) -> Part:
    asked = FILE in reading.text | reading.carried or FILE in reading.formats
    return Part(path, name, {**hive(name), **({FILE: name} if asked else {})})


def _is_arrow(path: Path) -> bool:
    return path.suffix.lower() in arrow_files.SUFFIXES


def _is_large(path: Path, bounds: Limits) -> bool:
    columns, rows = arrow_files.heads(path) if path.is_file() else ({}, 0)
    return typed_size(rows, len(columns)) > bounds.memory


def _row_parts(key: str, label: str, parts: list[Part], reading: Reading, bounds: Limits) -> Frame:
    """Return files of rows of cells as one table, in which every column is decided by all of its cells."""
    heads, bodies, first = list[Head](), list[Iterator[list[Any]]](), reading
    for part in parts:
        asked = replace(reading, usual=first.delimiter) if heads else reading
        head, body, own = _begun(key, part, asked, first if heads else None)
        first = own if not heads else first
        heads.append(head)
        bodies.append(body)
        refuse_other_columns(str(parts[0].path), heads[0].names, str(part.path), head.names)
    constants = [n for n in parts[0].constants if n not in heads[0].names]
    counts = [0] * len(parts)
    names, typed = heads[0].names, {is_typed(p.path) for p in parts}
    rows = _chained(parts, heads, bodies, constants, counts)
    try:
        frame = columns_of(label, Head([*names, *constants]), rows, first, typed == {True}, bounds)
    except UnclearError as e:
        raise UnclearError(
            [Problem(_placed(p.words, label, parts, counts), p.settings, p.otherwise) for p in e.problems]
        ) from e
    except AerunError as e:
        raise AerunError(_placed(str(e), label, parts, counts)) from e
    of_parts = tuple((str(p.path), n) for p, n in zip(parts, counts, strict=True))
    return replace(frame, parts=of_parts, names=tuple(p.name for p in parts))


def _begun(key: str, part: Part, reading: Reading, first: Reading | None) -> tuple[Head, Iterator[list[Any]], Reading]:
    """Return the names, the rows and the reading of a file.

    first: the reading of the first file. AerunError where that one has a header and this one has none.
    """
    suffix = bare_suffix(part.path)
    if suffix not in (*TEXT, ".xlsx"):
        raise AerunError(f"{key}={part.path}: a table's name ends in {', '.join((*TEXT, *BINARY))}.")
    try:
        head, body, own = begun(part.path, suffix, reading)
    except UnclearError:
        if first is None or reading.header != "auto":
            raise
        head, body, own = begun(part.path, suffix, replace(reading, header=first.header))
    except OSError as e:
        raise AerunError(f"{key}={part.path}: cannot be read: {e.strerror or e}.") from e
    if first is not None and own.header != first.header:
        has, lacks = ("this part", "the first one") if own.header == "true" else ("the first part", "this one")
        raise AerunError(f"{part.path}: {has} begins with the names of its columns, and {lacks} does not: see dataset.header.")
    return head, body, own


def _chained(
    parts: list[Part], heads: list[Head], bodies: list[Iterator[list[Any]]], constants: list[str], counts: list[int]
) -> Iterator[list[Any]]:
    """Yield the rows of all files with their columns in the order of the first file, and count them file by file."""
    for i, (part, head, body) in enumerate(zip(parts, heads, bodies, strict=True)):
        order = [head.names.index(n) for n in heads[0].names]
        words = [part.constants.get(n, "") for n in constants]
        same = order == sorted(order)
        for row in body:
            counts[i] += 1
            yield [*(row if same else [row[k] for k in order]), *words] if words or not same else row


def _placed(words: str, label: str, parts: list[Part], counts: list[int]) -> str:
    """Return an error of the whole table with the file, and the row in it, that it is about."""
    match = re.match(rf"{re.escape(label)}(: column '.*?'), row (\d+)", words, re.DOTALL)
    if match is None or int(match[2]) > sum(counts):
        return words
    file, row = place_in([(str(p.path), n) for p, n in zip(parts, counts, strict=True)], int(match[2]) - 1)
    return f"{file}{match[1]}, row {row}{words[match.end() :]}"
