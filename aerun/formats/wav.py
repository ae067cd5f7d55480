"""Sound files: uncompressed wav of 8, 16, 24 or 32 bits, any number of channels, mixed to one."""

import io
import tarfile
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond

Samples = NDArray[np.float32]


class UnreadableError(Exception):
    """One file is no sound that can be used; the words say why."""


class Sound(NamedTuple):
    """x (n,) in [-1, 1], `rate` of them a second."""

    x: Samples
    rate: int


def read(file: BinaryIO) -> Sound:
    """The mean of the channels of a wav file. UnreadableError where it is damaged or not PCM."""
    try:
        with wave.open(file, "rb") as opened:
            about = opened.getparams()
            data = opened.readframes(about.nframes)
    except (wave.Error, EOFError, OSError, ValueError, RuntimeError) as e:
        raise UnreadableError(_words(e)) from e
    width, channels, count, rate = about.sampwidth, about.nchannels, about.nframes, about.framerate
    if len(data) < count * width * channels:
        raise UnreadableError(f"ends early: {len(data) // (width * channels)} of {count} samples are there")
    if not count or rate < 1:
        raise UnreadableError("holds no samples")
    x: Samples = _numbers(data, width).reshape(-1, channels).mean(1).astype(np.float32)
    return Sound(x, rate)


def _words(e: Exception) -> str:
    if "unknown format" in str(e):
        return "its samples are compressed or floating-point numbers; save it as PCM of 16 bits"
    return str(e).strip() or "ends within its header"


def _numbers(data: bytes, width: int) -> Samples:
    """PCM as numbers in [-1, 1): little-endian, signed, but for 8 bits."""
    if width == 1:
        return _scaled(np.frombuffer(data, np.uint8).astype(np.int32) - 128, 7)
    if width == 3:
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return _scaled(padded.view("<i4")[:, 0], 31)
    if width in (2, 4):
        return _scaled(np.frombuffer(data, f"<i{width}"), 8 * width - 1)
    raise UnreadableError(f"samples of {width} bytes")


def _scaled(whole: NDArray[Any], bits: int) -> Samples:
    found: Samples = (whole / 2.0**bits).astype(np.float32)
    return found


def packed(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """(name, file) of every wav file in a tar archive, in memory one at a time. AerunError for a damaged archive."""
    total = 0
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                if not member.isfile() or not member.name.lower().endswith(".wav") or "/." in f"/{member.name}":
                    continue
                total += member.size
                refuse_beyond(str(path), 2 * total)  # as 32-bit numbers
                file = archive.extractfile(member)
                assert file is not None
                yield member.name, io.BytesIO(file.read(member.size))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as e:
        line = (str(e).strip() or type(e).__name__).splitlines()[0].rstrip(".:")
        raise AerunError(f"{path}: not a tar archive, truncated or damaged: {line}.") from e
