"""Images in columns of Arrow's files, as HuggingFace's library saves them: {bytes, path}, with names of classes."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond
from aerun.formats import arrow_files
from aerun.formats.archives import LARGEST, Member, MemberError
from aerun.formats.found import Found

_LABELS = ("label", "labels")

log = logging.getLogger("aerun")


def images_in(key: str, files: Found, splits: Sequence[str] | None) -> list[Member]:
    """Return the images of all files, named SPLIT/CLASS/NUMBER as folders would name them.

    splits: of each file, or None. AerunError for files without a column of images, or with several.
    """
    found, number = list[Member](), 0
    for i, path in enumerate(files.files):
        image, label = _columns(key, path)
        if arrow_files.is_parquet(path):
            refuse_beyond(str(path), 2.0 * path.stat().st_size)
        changed, above = path.stat().st_mtime_ns, "" if splits is None else f"{splits[i]}/"
        for _, table in arrow_files.batches(path, [image, *([] if label is None else [label])]):
            classes = [None] * table.num_rows if label is None else table.column(label).to_pylist()
            column = table.column(image).combine_chunks()
            sizes = column.field("bytes").is_null().to_pylist()
            for row, (name, gone) in enumerate(zip(classes, sizes, strict=True)):
                number += 1
                folder = above + ("" if label is None else f"{_folder(name)}/")
                size = 0 if gone else len(column.field("bytes")[row].as_buffer())
                where = f"{path}: image {number}"
                found.append(Member(where, f"{folder}{number:09}", size, changed, _reader(column, row, size)))
    return found


def _folder(name: Any) -> str:
    return "unlabelled" if name is None else str(name).replace("/", "_")


def _reader(column: Any, row: int, size: int) -> Callable[[], bytes]:
    def read() -> bytes:
        if not size:
            raise MemberError("only its path is kept; files elsewhere are not opened")
        if size > LARGEST:
            raise MemberError(f"{size:,} bytes, more than the {LARGEST:,} that an image may have")
        return bytes(column.field("bytes")[row].as_buffer())

    return read


def _columns(key: str, path: Path) -> tuple[str, str | None]:
    """Return the name of the one column of images, and that of the classes."""
    types = arrow_files.heads(path)[0]
    images = [n for n, kind in types.items() if kind.startswith("struct<") and "bytes: binary" in kind and "path:" in kind]
    if len(images) != 1:
        named = f"{len(images)} columns of images ({', '.join(images)}): keep one" if images else "no column of images"
        raise AerunError(f"{key}={path}: holds {named}; dataset=table reads tables.")
    classes = arrow_files.class_columns(path)
    chosen = next((n for n in _LABELS if n in classes), classes[0] if len(classes) == 1 else None)
    if chosen is None and classes:
        log.warning("%s: %d columns of classes (%s), none called label: none is used.", path, len(classes), ", ".join(classes))
    return images[0], chosen
