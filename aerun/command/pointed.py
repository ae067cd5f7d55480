"""A path typed where settings are expected: which data set reads it, by what the path is."""

import os
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.settings.catalog import catalog
from aerun.settings.shells import in_shell

_LOOKED_AT = 2_000  # files of a folder


def readers(word: str) -> list[str]:
    """Return the data sets that read what is at this path, the likeliest first; [] where none does or nothing is there."""
    path = Path(word)
    if path.is_dir() and path.suffix.lower() != ".zarr":
        kinds = Counter(kind for name in islice(_names(path), _LOOKED_AT) for kind in _kinds(name)[:1])
        return [kind for kind, _ in kinds.most_common(1)]
    return _kinds(path.name) if path.exists() else []


def commands(verb: str, word: str) -> list[str]:
    """Return the commands that read this path: `aerun dataset=table dataset.path=FILE`."""
    return [" ".join([*verb.split(), *map(in_shell, (f"dataset={r}", f"dataset.path={word}"))]) for r in readers(word)]


def as_settings(word: str) -> list[str]:
    """Return the settings that a path typed alone stands for. AerunError where it is none, or may be read in two ways."""
    named = readers(word)
    if len(named) == 1:
        return [f"dataset={named[0]}", f"dataset.path={word}"]
    if named:
        raise AerunError(f"{word}: may be read in several ways: {' or '.join(commands('aerun data', word))}.")
    if os.path.exists(word):
        raise AerunError(f"{word}: its name does not say which data set reads it: aerun data dataset=NAME dataset.path={word}.")
    example = f"dataset={word}" if word in catalog()["dataset"] else "dataset=mnist"
    raise AerunError(f"{word}: no such file, and no setting: those are KEY=VALUE, such as {example}; see aerun data --help.")


def _names(folder: Path) -> Iterator[str]:
    for _, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from sorted(name for name in names if not name.startswith("."))


def _kinds(name: str) -> list[str]:
    # deferred: only for whoever typed a path
    from aerun.formats import arrays, audio, images, tables
    from aerun.formats.compressed import bare_suffix

    suffix, last = bare_suffix(Path(name)), Path(name).suffix.lower()
    if suffix == ".txt":
        return ["text", "table"]
    if suffix == ".ts":
        return ["series"]
    if suffix in (*tables.TEXT, *tables.BINARY):
        return ["table"]
    kinds = {"array": arrays.SUFFIXES, "audio": audio.SUFFIXES, "images": images.suffixes()}
    return [kind for kind, suffixes in kinds.items() if last in suffixes]
