"""From the name of an output to its writer."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from aerun.core.errors import AerunError
from aerun.core.files import replaced, replaced_folder
from aerun.core.streams import is_stdout
from aerun.formats.writing.base import Writer
from aerun.formats.writing.delimited import Delimited
from aerun.formats.writing.npy import Npy
from aerun.formats.writing.npz import Npz
from aerun.formats.writing.parquet import Parquet
from aerun.formats.writing.png import Pngs, Sheet
from aerun.formats.writing.records import Records
from aerun.formats.writing.txt import Txt
from aerun.formats.writing.wav import Wav
from aerun.formats.writing.xlsx import Xlsx

TABLES = (".csv", ".tsv", ".jsonl", ".parquet", ".xlsx", ".npz")  # what holds columns of words beside each row
Kind = Callable[[BinaryIO, Mapping[str, Any]], Writer]

_KINDS: dict[str, Kind] = {
    ".npz": Npz, ".npy": Npy, ".csv": Delimited, ".tsv": Delimited, ".jsonl": Records, ".parquet": Parquet, ".xlsx": Xlsx,
    ".txt": Txt, ".png": Sheet, ".wav": Wav,
}  # fmt: skip


@contextmanager
def written(output: str, about: Mapping[str, Any], kind: Kind | None = None) -> Iterator[Writer]:
    """Open a writer for the kind of output that its name asks for.

    A file, a folder (with a / behind) of png files, - or jsonl:- for csv or records on standard output; or of one `kind`,
    whatever its name is. The output takes its place once it is whole; where anything fails, the place is as it was. Raises
    AerunError where nothing can be written there.
    """
    if is_stdout(output) and kind is None:
        yield Delimited(None, about) if output == "-" else Records(None, about)
        return
    path = _place(output, kind)
    try:
        if kind is None and (output.endswith("/") or path.is_dir()):
            with replaced_folder(path) as folder:
                yield Pngs(folder, about)
            return
        with replaced(path) as file:
            writer = (kind or _named(output, path))(file, {**about, "tab": path.suffix.lower() == ".tsv"})
            try:
                yield writer
                writer.close()
            except BaseException:
                writer.drop()
                raise
    except OSError as e:
        raise AerunError(f"{output}: cannot be written: {e.strerror or e}.") from e


@contextmanager
def growing(output: str, about: Mapping[str, Any]) -> Iterator[Writer]:
    """Open a writer of csv or tsv whose rows others may read as they are written, or of csv on standard output.

    What is written stays, whatever happens. Raises AerunError for a file that is there already.
    """
    if is_stdout(output):
        yield Delimited(None, about)
        return
    path = _place(output, Delimited)
    try:
        with path.open("xb") as file:
            writer = Delimited(file, {**about, "tab": path.suffix.lower() == ".tsv"})
            try:
                yield writer
            finally:
                writer.close()
    except FileExistsError as e:
        raise AerunError(f"{output}: is there already; rows that come are appended to a file of their own.") from e
    except OSError as e:
        raise AerunError(f"{output}: cannot be written: {e.strerror or e}.") from e


def _place(output: str, kind: Kind | None) -> Path:
    path = Path(output).expanduser()
    if not path.parent.is_dir():
        raise AerunError(f"{output}: there is no folder {path.parent}.")
    if kind is not None:
        if path.is_dir() or is_stdout(output) or not output:
            raise AerunError(f"--output {output}: this goes into one file; name it.")
    elif output.endswith("/") or path.is_dir():
        if path.is_dir() and any(path.iterdir()):
            raise AerunError(f"{output}: is a folder that is not empty; name a new one.")
    else:
        _named(output, path)
    return path


def _named(output: str, path: Path) -> Kind:
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise AerunError(f"{output}: an output's name ends in {', '.join(_KINDS)}, or in / for a folder of png files.")
    return kind
