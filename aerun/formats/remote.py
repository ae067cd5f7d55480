"""Files behind URLs, through fsspec: each is fetched once and kept, and looked at again before it is used again."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from glob import has_magic
from hashlib import blake2b
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from aerun.core.cache import cache_folder, refuse_full
from aerun.core.errors import AerunError
from aerun.core.files import replace, replaced

_EXTRAS = {"http": "http", "https": "http", "s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs"}
_MARKS = ("ETag", "etag", "mtime", "LastModified", "Last-Modified", "last_modified", "updated", "size")  # what changes with it
_PIECE = 1 << 20
_LONGEST = 200  # characters of what a library says
_PATIENCE = 20  # seconds until the first answer; libraries try again for minutes
_LOGGERS = ("gcsfs", "s3fs", "fsspec", "aiobotocore", "google.auth", "grpc")  # what they say comes in the error
_ADC = Path("~/.config/gcloud/application_default_credentials.json")  # what gcloud's login leaves

log = logging.getLogger("aerun")

T = TypeVar("T")


def local_files(key: str, url: str) -> list[Path]:
    """Return the kept copies of the file behind a URL, or of all that its pattern matches where the other side lists files.

    A copy is used again while the other side says that nothing has changed, and where it cannot be asked, which is told; a
    changed file is fetched anew, and told. AerunError for what is not there, is cut short, or needs a library.
    """
    with _in_words(key, url):
        asked = _Patience()
        system, path = asked(lambda: _opened(key, url), answers=False)
        scheme = urlsplit(url).scheme.lower()
        if scheme in ("http", "https") or not has_magic(path):
            return [_kept(key, url, system, path, asked)]
        paths = sorted(asked(lambda: system.glob(path)))
        if not paths:
            raise AerunError(f"{key}={url}: no file matches this pattern.")
        return [_kept(key, f"{scheme}://{p.lstrip('/')}", system, p, asked) for p in paths]


def shown(url: str) -> str:
    """Return a URL without a user's name, a password or a query, which may be secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _opened(key: str, url: str) -> tuple[Any, str]:
    # deferred: fsspec takes 50 ms, and most runs read no URL
    import fsspec

    scheme = urlsplit(url).scheme.lower()
    if scheme in ("file", "local"):
        raise AerunError(f"{key}={url}: give the path of a file on this machine as such.")
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as e:
        extra = _EXTRAS.get(scheme)
        how = f"pip install 'aerun[{extra}]'" if extra else str(e).splitlines()[0]
        raise AerunError(f"{key}={shown(url)}: reading {scheme} needs a library that is not installed: {how}") from e
    except ValueError as e:
        raise AerunError(f"{key}={shown(url)}: {scheme}:// is not known; http, https, s3 and gs are.") from e
    return system, path


class _Patience:
    """Asks the other side, and waits for its first answer for 20 seconds in all, and for each further one as long."""

    def __init__(self) -> None:
        self.since = time.monotonic()

    def __call__(self, ask: Callable[[], T], answers: bool = True) -> T:
        """Return what `ask` does. TimeoutError where that takes too long. answers: whether it is an answer, not a beginning."""
        ends: Future[T] = Future()

        def work() -> None:
            try:
                ends.set_result(ask())
            except BaseException as e:  # whoever waits raises it
                ends.set_exception(e)

        Thread(target=work, daemon=True).start()  # one that still waits does not keep the program from its end
        told = ends.result(max(0.1, self.since + _PATIENCE - time.monotonic()))
        if answers:
            self.since = time.monotonic()
        return told


@contextmanager
def _in_words(key: str, url: str) -> Iterator[None]:
    """Turn whatever a library of the other side raises, and logs, into one line."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    for name in levels:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    try:
        yield
    except AerunError:
        raise
    except Exception as e:  # aiohttp, botocore and others have errors of their own
        if _is_gone(e):
            what = "file" if urlsplit(url).scheme.lower().startswith("http") else "file, or no such bucket"
            raise AerunError(f"{key}={shown(url)}: there is no such {what} (the other side answers 404).") from e
        cause = e.__cause__ or e
        words = (" ".join(str(cause).split()) or type(cause).__name__).replace(url, shown(url))[:_LONGEST].rstrip(".")
        if isinstance(e, TimeoutError):
            words = f"no answer for {_PATIENCE} seconds"
        raise AerunError(f"{key}={shown(url)}: cannot be fetched: {words}.{_of_credentials(url, cause)}") from e
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def _of_credentials(url: str, cause: BaseException) -> str:
    """Return what there is to say of credentials where none were found."""
    if type(cause).__name__ == "NoCredentialsError":
        return " A public bucket needs none: FSSPEC_S3_ANON=true."
    known = any(os.environ.get(v) for v in ("GOOGLE_APPLICATION_CREDENTIALS", "FSSPEC_GS_TOKEN", "FSSPEC_GCS_TOKEN"))
    if _EXTRAS.get(urlsplit(url).scheme.lower()) != "gs" or known or _ADC.expanduser().is_file():
        return ""
    return (
        " There are no credentials: GOOGLE_APPLICATION_CREDENTIALS=FILE, or gcloud auth application-default login; a public "
        "bucket needs none: FSSPEC_GS_TOKEN=anon."
    )


def _is_gone(e: BaseException) -> bool:
    """Return whether the other side says that there is no such file; fsspec says so too where a server does not answer."""
    cause = e.__cause__
    answered = getattr(cause, "status", None) in (404, 410)
    return isinstance(e, FileNotFoundError) and (answered or not type(cause).__module__.startswith("aiohttp"))


def _kept(key: str, url: str, system: Any, path: str, asked: "_Patience") -> Path:
    name = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or "file"
    folder = cache_folder() / "urls" / blake2b(url.encode(), digest_size=10).hexdigest()
    copy, about = folder / name.replace("\\", "_"), folder / "about.json"
    before = _about(about, copy)
    try:
        info = asked(lambda: system.info(path))
    except Exception as e:
        if before is None or _is_gone(e):
            raise
        log.warning("%s: cannot be asked for (%s): the copy of before is used: %s", shown(url), type(e).__name__, copy)
        return copy
    if info.get("type") == "directory":
        pattern = f"{shown(url).rstrip('/')}/*"
        raise AerunError(f"{key}={shown(url)}: is a folder there; {pattern} names its files.")
    now = _marks(info)
    if before is not None and before.get("marks") == now and now:
        log.info("%s: as when it was fetched: %s", shown(url), copy)
        return copy
    digest = _fetch(key, url, system, path, copy, now.get("size"))
    if before is None:
        log.warning("%s: fetched once (%.3g MB), and kept in %s", shown(url), copy.stat().st_size / 1e6, copy)
    elif before.get("content") != digest:
        log.warning("%s: has changed since it was fetched: fetched anew into %s", shown(url), copy)
    replace(about, json.dumps({"url": shown(url), "marks": now, "content": digest, "size": copy.stat().st_size}))
    return copy


def _about(about: Path, copy: Path) -> dict[str, Any] | None:
    """Return what was written down of a copy; None where there is none, or it is not whole."""
    try:
        known = json.loads(about.read_text())
        return known if isinstance(known, dict) and copy.stat().st_size == known["size"] else None
    except (OSError, ValueError, KeyError):
        return None


def _marks(info: Mapping[str, Any]) -> dict[str, Any]:
    return {m: v if isinstance(v, int) else str(v) for m in _MARKS if (v := info.get(m)) is not None}


def _fetch(key: str, url: str, system: Any, path: str, copy: Path, size: Any) -> str:
    """Write the file, whole or not at all, and return the hash of its content."""
    digest, got = blake2b(digest_size=16), 0
    refuse_full(copy.parent, size if isinstance(size, int) else 0, f"{key}={shown(url)}: its bytes", "Set AERUN_CACHE=DIR.")
    streamed = {"block_size": 0} if "http" in str(system.protocol) else {}  # without the ranges that not every server answers
    with system.open(path, "rb", **streamed) as source, replaced(copy) as file:
        while piece := source.read(_PIECE):
            got += len(piece)
            digest.update(piece)
            file.write(piece)
        if isinstance(size, int) and got != size:
            raise AerunError(f"{key}={shown(url)}: cut short: {got:,} of {size:,} bytes arrived. Try again.")
    return digest.hexdigest()
