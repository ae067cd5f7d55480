"""Events of a run for TensorBoard, in files that `aerun.runs.files` opens."""

import itertools
import os
import re
import socket
import time
from pathlib import Path
from typing import Any, BinaryIO

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.summary.writer.record_writer import RecordWriter
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.writer import FileWriter

from aerun.runs import files

_PREFIX = "events.out.tfevents."
_STAMP = re.compile(rf"{re.escape(_PREFIX)}(\d{{1,12}})\.")
_numbers = itertools.count()


class Events(SummaryWriter):
    """Torch's SummaryWriter into a new event file of a run's folder. purge_step: events from this step on are dropped."""

    def __init__(self, folder: Path, suffix: str = "", purge_step: int | None = None) -> None:
        self.folder = folder
        super().__init__(str(folder), purge_step=purge_step, filename_suffix=suffix)

    def add_proto(self, summary: Any, step: int | None = None) -> None:
        """Add a summary that is made already."""
        self._get_file_writer().add_summary(summary, step)

    def _get_file_writer(self) -> Any:
        if self.file_writer is not None:
            return self.file_writer
        writer = _FileWriter(self.folder, self.filename_suffix)
        self.file_writer, self.all_writers = writer, {writer.get_logdir(): writer}  # type: ignore[assignment]
        if self.purge_step is not None:
            writer.add_event(Event(step=self.purge_step, file_version="brain.Event:2"))
            writer.add_event(Event(step=self.purge_step, session_log=SessionLog(status=SessionLog.START)))
            self.purge_step = None
        return writer


def _new_file(folder: Path, suffix: str) -> BinaryIO:
    """Open a new event file, named so that TensorBoard, which reads files by name, reads it after those that are there.

    So it is also where the clock was set back in between; the name then holds the time of the latest file and one second.
    """
    stamps = (_STAMP.match(name) for name in (os.listdir(folder) if folder.is_dir() else ()))
    latest = max((int(stamp[1]) for stamp in stamps if stamp), default=0)
    now = int(time.time())
    if latest > now:
        now = latest + 1
    return files.created(folder, f"{_PREFIX}{now:010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}{suffix}")


class _FileWriter(FileWriter):
    def __init__(self, folder: Path, suffix: str) -> None:
        self.event_writer = _EventWriter(folder, suffix)


class _EventWriter:
    """The writer to which torch's FileWriter hands its events."""

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder = folder
        self.records = RecordWriter(_new_file(folder, suffix))
        self.add_event(Event(wall_time=time.time(), file_version="brain.Event:2"))
        self.flush()

    def get_logdir(self) -> str:
        """Return the folder."""
        return str(self.folder)

    def add_event(self, event: Event) -> None:
        """Write an event behind the others."""
        self.records.write(event.SerializeToString())

    def flush(self) -> None:
        """Write what is buffered to the file."""
        self.records.flush()

    def close(self) -> None:
        """Close the file."""
        if not self.records.closed:
            self.records.close()
