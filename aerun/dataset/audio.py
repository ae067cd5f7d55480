"""The user's own sounds, from a folder or an archive."""

import logging
from collections.abc import Iterator
from functools import cached_property
from typing import Any, BinaryIO

import torch
from torch import Tensor

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.core.facts import Facts
from aerun.core.kept import kept_warnings
from aerun.core.memory import refuse_beyond
from aerun.dataset.base import Dataset
from aerun.dataset.sequences import windows
from aerun.dataset.sequences.mel import filters, log_mel
from aerun.dataset.splits import Data, Split
from aerun.dataset.storage import listing
from aerun.dataset.storage.skipped_files import SkippedFiles
from aerun.formats import audio

log = logging.getLogger("aerun")


class Audio(Dataset):
    """Stretches of `length` samples from sound files, one every `stride` samples (null: `length`).

    Files are wav, flac, ogg or mp3; several channels become their mean.

    path: a folder, or a tar archive, packed or not. Folders are classes, or the splits train, val and test, as for
    dataset=images; all stretches of a file are in one split. rate: samples a second that every file must have (null: what the
    first one has); nothing is resampled. short: files shorter than `length` are left out (drop) or end in silence (pad); what
    is left at the end of others is dropped.
    form: logmel, sequences (T, mels) of T = 1 + (length - window) // hop steps in [0, 1], see `log_mel`; image, the same as
    (1, mels, T), high pitch on top; or frames, the samples themselves (length, 1) in [-1, 1].
    Files that cannot be read are left out, counted and named; above 1 % they are refused with AerunError.
    """

    def __init__(
        self,
        *,
        path: str | None,
        form: str,
        rate: int | None,
        length: int,
        stride: int | None,
        short: str,
        window: int,
        hop: int,
        mels: int,
        floor: float,
        val: float,
        test: float,
    ) -> None:
        self.path, self.where = listing.folder("dataset.path", path, "your sounds"), f"dataset.path={path}"
        self.form = one_of("dataset.form", form, ("logmel", "image", "frames"))
        self.rate = None if rate is None else integer("dataset.rate", rate, 1)
        self.length = integer("dataset.length", length, 2)
        self.stride = self.length if stride is None else integer("dataset.stride", stride, 1)
        self.padded = one_of("dataset.short", short, ("drop", "pad")) == "pad"
        self.window, self.hop = integer("dataset.window", window, 2), integer("dataset.hop", hop, 1)
        self.mels, self.floor = integer("dataset.mels", mels, 1), floor
        if self.form != "frames" and self.window > self.length:
            raise AerunError(f"dataset.window={window}: longer than dataset.length={length}.")
        if not -300 <= floor < 0:
            raise AerunError(f"dataset.floor={floor}: decibels below full scale, between -300 and 0, such as -80.")
        self.shares = listing.shares(val, test)
        self.heard: int | None = None  # the rate of the files, once they have been read

    @property
    def shared_steps(self) -> int:
        return windows.shared_steps(self.length, self.stride)

    def facts(self) -> Facts:
        steps = 1 + (self.length - self.window) // self.hop
        shape = {"logmel": (steps, self.mels), "image": (1, self.mels, steps), "frames": (self.length, 1)}[self.form]
        kind, low = "image" if self.form == "image" else "sequence", -1.0 if self.form == "frames" else 0.0
        return Facts(shape=shape, kind=kind, unit=1.0, low=low, high=1.0, classes=len(self._listing.classes) or None)

    @cached_property
    def _names(self) -> list[str]:
        if self.path.is_dir():
            files, others = listing.scan(self.path, audio.SUFFIXES)
            refuse_beyond(self.where, 2 * sum(file.size for file in files))
            names = [file.name for file in files]
        else:
            names, others = sorted(name for name, _ in audio.packed(self.path)), 0
        if not names:
            raise AerunError(f"{self.where}: no sound files (wav, flac, ogg, mp3) are there ({others} other files).")
        return names

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._listing.classes

    @cached_property
    def _listing(self) -> listing.Listing:
        with kept_warnings(self.notes):
            return listing.arrange(self._names, self.where, *self.shares)

    def _files(self) -> Iterator[tuple[str, BinaryIO]]:
        if not self.path.is_dir():
            yield from audio.packed(self.path)
            return
        for name in self._names:
            with (self.path / name).open("rb") as file:
                yield name, file

    def read(self) -> Data:
        stretches = self._stretches()
        if not stretches:
            raise AerunError(f"{self.where}: all files are shorter than dataset.length={self.length} samples.")
        parts = zip(("training", "validation", "test"), self._listing.parts, strict=True)
        return Data(*(self._together(stretches, name, part) for name, part in parts))

    def _together(self, stretches: dict[str, Tensor], split: str, files: Tensor) -> Split:
        """Return all samples of the given files as one split."""
        numbers = [i for i in files.tolist() if self._names[i] in stretches]
        if not numbers:
            raise AerunError(f"{self.where}: the {split} split is empty: none of its {len(files)} files can be used.")
        samples, labels = [stretches[self._names[i]] for i in numbers], self._listing.labels
        counts = torch.tensor([len(part) for part in samples])
        return Split(torch.cat(samples), None if labels is None else labels[numbers].repeat_interleave(counts))

    def _stretches(self) -> dict[str, Tensor]:
        """Return the samples (n, *S) of each file that has some, by file name."""
        left_out, stretches, short = SkippedFiles(self.where, "sound files", len(self._names)), dict[str, Tensor](), 0
        rate, bank, size, loud, mixed = self.rate, torch.zeros(0), 0, 0, 0
        for name, file in self._files():
            try:
                sound = audio.read(file)
            except audio.UnreadableError as e:
                left_out.add(name, str(e))
                continue
            if sound.rate != rate and rate is not None:
                other = f"dataset.rate={rate}" if self.rate else f"others have {rate}"
                raise AerunError(
                    f"{self.where}: {name} has {sound.rate} samples a second, {other}. Resample the files to one rate."
                )
            if not len(bank) and self.form != "frames":
                bank = filters(sound.rate, self.window, self.mels).float()
            rate, loud, mixed = sound.rate, loud + (sound.peak > 1), mixed + (sound.channels > 1)
            if len(sound.x) < self.length and not self.padded:
                short += 1
                continue
            stretches[name] = self.samples_of(torch.from_numpy(sound.x), bank)
            size += stretches[name].nbytes
            refuse_beyond(self.where, 2 * size)  # they, and all of them together; compressed files say little of it before
        left_out.tell()
        named = {"clipped": loud, "too_short": short, "unreadable": len(left_out.reasons)}
        self.counts.update({name: count for name, count in named.items() if count})
        if loud:
            log.warning("%s: %d of %d files go beyond full scale and are cut off there.", self.where, loud, len(self._names))
        if short:
            words = "%s: %d of %d files are shorter than dataset.length=%d and are left out (dataset.short=pad uses them)."
            log.warning(words, self.where, short, len(self._names), self.length)
        if mixed:
            log.warning("%s: %d of %d files have several channels: their mean is used.", self.where, mixed, len(self._names))
        self.heard = rate
        return stretches

    def stored_reading(self) -> dict[str, Any]:
        return {"rate": self.heard}

    def samples_of(self, x: Tensor, bank: Tensor) -> Tensor:
        """Map a sound (n,) to its samples."""
        if len(x) < self.length:
            x = torch.nn.functional.pad(x, (0, self.length - len(x)))
        frames = x.unfold(0, self.length, self.stride)  # (n, length)
        if self.form == "frames":
            return frames[..., None].clone()
        values = torch.cat([log_mel(part, bank, self.window, self.hop, self.floor) for part in frames.split(256)])
        return values if self.form == "logmel" else values.transpose(1, 2).flip(1)[:, None]
