"""The callbacks of a run: what is shown of it, when it ends, and what is kept."""

from pytorch_lightning import Callback

from aerun.dataset.storage.mapped import Mapped
from aerun.runs.checkpoint import FOLDER
from aerun.trainer.base import Job, Trainer
from aerun.trainer.batches import Batches
from aerun.trainer.checkpoints import Best, Delayed, Saving
from aerun.trainer.patience import Patience
from aerun.trainer.pause import Pausing
from aerun.trainer.pictures import Pictures
from aerun.trainer.progress import Progress
from aerun.trainer.ranks import Ranks
from aerun.trainer.record import Recording
from aerun.trainer.showing import Showing
from aerun.trainer.time_limit import TimeLimit, reserved
from aerun.trainer.told import loggers_of
from aerun.trainer.trim_memory import TrimMemoryCallback
from aerun.trainer.validation import Validation, by_itself


def callbacks(job: Job, settings: Trainer, calls: int, val: Batches, ranks: Ranks, files: Delayed) -> list[Callback]:
    """Return a run's callbacks in their order. Ranks other than 0 have those that end it and the user's own.

    calls: of Lightning, in an epoch. val: the batches of validation. files: where checkpoints go.
    """
    every: list[Callback] = [TrimMemoryCallback()] if isinstance(job.data.train.x, Mapped) else []
    if settings.patience is not None:
        every.append(Patience(settings.monitor, settings.patience))
    if settings.max_time is not None:
        every.append(TimeLimit(settings.max_time))
    if ranks.rank:
        return [*every, *job.callbacks]
    loggers = loggers_of(job)
    pictures = [Pictures(loggers, job.data.val, settings.max_epochs)] if job.drawn else []
    progress = Progress(settings.max_epochs, calls, job.title, settings.patience is not None)
    bar = [Showing(progress)] if settings.progress else []
    held = None if settings.max_time is None else 0.0  # of an epoch that is left half-way, the one before stands
    saving = Saving(files, Best(job.folder / FOLDER, settings.monitor), settings.save_every, held)
    recording = Recording(loggers, closes=job.loggers is None or job.config is None, waits=not job.callbacks)
    files.before = recording.write
    validation = [Validation(val)] if by_itself(job, ranks) else []
    pausing = [Pausing(job.pause)] if job.pause is not None else []
    return [*validation, recording, *pictures, *bar, *every, *reserved(), *job.callbacks, *pausing, saving, *job.watching]
