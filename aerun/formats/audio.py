"""Sound files as libsndfile reads them: wav (whole or floating-point numbers), flac, ogg, mp3; their channels mixed to one."""

import io
import os
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError
from aerun.core.memory import refuse_beyond

Samples = NDArray[np.float32]

SUFFIXES = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3"})
_BLOCK = 1 << 20  # numbers that are read at a time
_BEYOND = 2.0  # times full scale that lossy files and floating-point ones may reach
_UNKNOWN = 0xFFFFFFFF
_HALF = 0x7FFFF000  # what some programs write into the size of a stream, or a little more


class UnreadableError(Exception):
    """A file that is no usable sound; the message says why."""


class Sound(NamedTuple):
    """x (n,) in [-1, 1], `rate` of them a second.

    peak: the largest size before what is beyond 1 was cut off there. channels: how many x is the mean of.
    """

    x: Samples
    rate: int
    peak: float
    channels: int


class _Wav(NamedTuple):
    """What a wav file says of its samples: where they begin, how many bytes they are to be, and how many bytes there are."""

    first: int
    promised: int
    there: int
    step: int  # bytes of one sample of all channels
    whole: int  # bytes of the file, as its head has them

    @property
    def streamed(self) -> bool:
        """Return whether the file was written into a pipe, where sizes cannot be filled in once they are known.

        They are 0, 2^32 - 1, or close to 2^31 there.
        """
        beyond = min(self.promised, self.whole) >= _HALF and self.promised <= _HALF + 0x1000 and self.there < self.promised
        empty = self.promised == 0 and (self.whole <= self.first or self.whole > _UNKNOWN)
        return (self.promised == _UNKNOWN or beyond or empty) and self.there > 0


def library() -> Any:
    """Return the module soundfile. Raise AerunError where it, or its libsndfile, is not installed."""
    try:
        import soundfile  # here, because it is an extra
    except (ImportError, OSError) as e:
        raise AerunError("sounds need soundfile, which is not installed: pip install 'aerun[data]'") from e
    return soundfile


def read(file: BinaryIO) -> Sound:
    """Return the mean of the channels of a sound. Raise UnreadableError where the file is damaged, cut short or no sound.

    Numbers are float32; whole ones of b bits are divided by 2^(b-1). Lossy files and floating-point ones may go beyond full
    scale, which is 1: a little is cut off, much is refused. At most half of the memory is taken, else AerunError is raised.
    """
    soundfile = library()
    wav = _wav(file)
    if wav is not None and wav.streamed:
        file = _streamed(file, wav)
    elif wav is not None and wav.there < wav.promised:
        raise UnreadableError(f"ends early: {wav.there // wav.step} of {wav.promised // wav.step} samples are there")
    try:
        with soundfile.SoundFile(_descriptor(file), closefd=False) as opened:
            x = _mixed(opened)
            rate, promised, channels = opened.samplerate, opened.frames, opened.channels
    except soundfile.LibsndfileError as e:
        raise UnreadableError(_words(e, file)) from e
    if not len(x) or rate < 1:
        raise UnreadableError("holds no samples")
    if len(x) < promised:
        raise UnreadableError(f"ends early: {len(x)} of {promised} samples are there")
    peak = float(np.abs(x).max())
    if not peak <= _BEYOND:
        raise UnreadableError(f"its numbers reach {peak:g}, and full scale is 1; save it as whole numbers, or divide them")
    return Sound(x.clip(-1, 1) if peak > 1 else x, rate, peak, channels)


def _mixed(opened: Any) -> Samples:
    """Return the mean over channels (n,), read in blocks."""
    parts, count, size = [np.zeros(0, np.float32)], 0, max(1, _BLOCK // opened.channels)
    while len(block := opened.read(size, dtype="float32", always_2d=True)):
        count += len(block)
        refuse_beyond("a sound", 8.0 * count)  # its parts, and they together
        parts.append(block.mean(1))
    return np.concatenate(parts)


def _wav(file: BinaryIO) -> _Wav | None:
    """Return what the header of a RIFF file says, or None for other files and for a header without samples; rewind the file."""
    size = file.seek(0, io.SEEK_END)
    at, step = 12, 1
    file.seek(0)
    head = file.read(12)
    try:
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return None
        while len(chunk := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", chunk)
            at += 8
            if name == b"data":
                return _Wav(at, length, size - at, step, 8 + struct.unpack_from("<I", head, 4)[0])
            if name == b"fmt " and len(about := file.read(16)) == 16:
                step = max(1, struct.unpack_from("<H", about, 12)[0])
            at += length + length % 2
            file.seek(at)
        return None
    finally:
        file.seek(0)


def _streamed(file: BinaryIO, wav: _Wav) -> BinaryIO:
    """Return the file in memory, with the size of its samples filled in up to its end."""
    refuse_beyond("a sound", float(wav.first + wav.there))
    content = bytearray(file.read())
    content[wav.first - 4 : wav.first] = struct.pack("<I", min(wav.there, 0xFFFFFFFE))
    return _Bytes(content)


class _Bytes(io.BytesIO):
    """A file in memory; whoever seeks to before its beginning, as the reader of mp3 does, stays where they are."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to an offset; stay where it lies before the beginning."""
        try:
            return super().seek(offset, whence)
        except ValueError:
            return self.tell()


def _descriptor(file: BinaryIO) -> "BinaryIO | int":
    """Return the file as libsndfile reads it fastest: by its descriptor where it is one of the system's."""
    try:
        number = file.fileno()
    except OSError:
        return file
    os.lseek(number, 0, os.SEEK_SET)  # Python may have read ahead
    return number


def _words(e: Exception, file: BinaryIO) -> str:
    if not file.seek(0, io.SEEK_END):
        return "is empty"
    said = str(getattr(e, "error_string", e)).rpartition(": ")[2].strip().rstrip(".")
    return f"is damaged, cut short or no sound ({said[:1].lower()}{said[1:]})"


def packed(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """Yield (name, file) of every sound in a tar archive, in memory one at a time. Raise AerunError for a damaged archive."""
    total = 0
    try:
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                suffix = Path(member.name).suffix.lower()
                if not member.isfile() or suffix not in SUFFIXES or "/." in f"/{member.name}":
                    continue
                total += member.size
                refuse_beyond(str(path), 2 * total)  # as 32-bit numbers
                file = archive.extractfile(member)
                assert file is not None
                yield member.name, _Bytes(file.read(member.size))
    except (tarfile.TarError, EOFError, zlib.error, OSError) as e:
        line = (str(e).strip() or type(e).__name__).splitlines()[0].rstrip(".:")
        raise AerunError(f"{path}: not a tar archive, truncated or damaged: {line}.") from e
