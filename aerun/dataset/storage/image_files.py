"""Where images are: in a folder, in several, in an archive, in columns that HuggingFace's library saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aerun.core.errors import AerunError
from aerun.core.paths import is_url, path_words
from aerun.dataset.storage import listing
from aerun.dataset.storage.listing import File
from aerun.dataset.tables.given import splits_by_name
from aerun.formats.archives import is_archive, members
from aerun.formats.arrow_files import is_parquet
from aerun.formats.found import Found, Paths, found, is_pattern, is_several
from aerun.formats.image_columns import images_in
from aerun.formats.images import Source, suffixes
from aerun.formats.remote import local_files
from aerun.formats.several import saved_files

_ARCHIVES = "zip, tar, tar.gz, tar.bz2 or tar.xz"


@dataclass(frozen=True)
class ImageFiles:
    """Images by name, and where they are: below `root`, or as `sources` says. others: files that are none, passed over.

    typed: their folders are classes and splits that the data themselves name.
    """

    root: Path
    files: list[File]
    others: int
    sources: Mapping[str, Source] | None = None
    typed: bool = False

    def source(self, name: str) -> Source:
        """Return what is opened for a name."""
        return self.root / name if self.sources is None else self.sources[name]


def image_files(key: str, value: Paths | None, shown: str) -> ImageFiles:
    """Return the images that a setting names. AerunError, which begins with `shown`, for what holds none."""
    if isinstance(value, str) and is_url(value):
        value = _behind(key, value, shown)
    if value is not None and (not isinstance(value, str | Path) or is_pattern(str(value))):
        return _of_several(key, value, shown)
    path = listing.folder(key, None if value is None else str(value), "your images")
    if saved := saved_files(key, path):
        return _of_columns(key, saved)
    if path.is_dir():
        return ImageFiles(path, *listing.scan(path, suffixes()))
    if is_archive(path):
        return _of_archive(key, path)
    if is_parquet(path):
        return _of_columns(key, found(key, str(path), ()))
    raise AerunError(_no_folder(shown))


def refuse_none(key: str, value: Paths | None, shown: str) -> None:
    """Raise AerunError, before anything is read, for what cannot hold images."""
    if is_several(value):
        return
    path = listing.folder(key, None if value is None else str(value), "your images")
    if not (path.is_dir() or is_archive(path) or is_parquet(path)):
        raise AerunError(_no_folder(shown))


def _no_folder(shown: str) -> str:
    return f"{shown}: is a file; give the folder that holds the images, or a {_ARCHIVES} file of them."


def _behind(key: str, url: str, shown: str) -> str:
    paths = local_files(key, url)
    if len(paths) != 1 or not (is_archive(paths[0]) or is_parquet(paths[0])):
        raise AerunError(f"{shown}: images behind a URL are those of one {_ARCHIVES} or parquet file.")
    return str(paths[0])


def _of_archive(key: str, path: Path) -> ImageFiles:
    inside = members(key, path)
    images = {m.name: m for m in inside if Path(m.name).suffix.lower() in suffixes()}
    return ImageFiles(path, [File(n, m.size, m.changed) for n, m in images.items()], len(inside) - len(images), images)


def _of_columns(key: str, files: Found) -> ImageFiles:
    images = images_in(key, files, splits_by_name(f"{key}={files.label}", files.names))
    listed = sorted(File(m.name, m.size, m.changed) for m in images)
    return ImageFiles(files.files[0].parent, listed, 0, {m.name: m for m in images}, typed=True)


def _of_several(key: str, value: str | Path | Sequence[str], shown: str) -> ImageFiles:
    """Return the images of a pattern or a list of files and folders; the folders' own names may be classes and splits."""
    if wrong := [v for v in ([value] if isinstance(value, str | Path) else value) if is_url(v)]:
        raise AerunError(f"{shown}: {wrong[0]} is one of several: images behind a URL are those of one {_ARCHIVES} file.")
    files = found(key, value, tuple(suffixes()))
    if wrong := [p for p in files.files if is_archive(p) or is_parquet(p)]:
        raise AerunError(f"{shown}: {wrong[0]} is one of several: give one {_ARCHIVES} or parquet file, folders or images.")
    if wrong := [p for p in files.files if not p.is_file()]:
        raise AerunError(f"{shown}: {wrong[0]}: there is no such file or folder.")
    images = {n: p for n, p in zip(files.names, files.files, strict=True) if p.suffix.lower() in suffixes()}
    listed = [File(name, images[name].stat().st_size, images[name].stat().st_mtime_ns) for name in sorted(images)]
    return ImageFiles(files.files[0].parent, listed, len(files.files) - len(images), images)


def named(value: Paths | None) -> str:
    """Return how messages name the setting."""
    return f"dataset.path={path_words(value) if value is not None else value}"
