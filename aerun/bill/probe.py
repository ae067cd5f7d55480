"""A few warm steps of a run, its test and its pictures, in a folder that is gone afterwards: what it will cost.

Nothing is left of them: the model is made for it, random numbers are as they were, and loggers outside of the folder, like
callbacks of the user's own, are not called.
"""

import contextlib
import io
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from aerun import pictures
from aerun.autoencoder import Autoencoder
from aerun.begin import of_command, open_folder, prepare
from aerun.bill.cost import Cost, Size
from aerun.bill.flop import step_flop
from aerun.bill.machine import peak_memory
from aerun.build import Config, RunPlan, build
from aerun.core.errors import AerunError
from aerun.core.logs import quiet_aerun
from aerun.core.seeding import own_draws
from aerun.dataset.splits import Data, Split
from aerun.evaluate.health import decoder_scale
from aerun.logger.several import Loggers
from aerun.runs import files
from aerun.runs.folder import Folder
from aerun.trained import Trained
from aerun.trainer.base import Fitted, Job, Trainer
from aerun.trainer.length import Length

_EPOCHS, _MANY = 4, 20  # of the measured training, at least and at most
_BLOCK, _CALL = 5, 0.1  # steps of a block where a call of Lightning takes more than so many seconds
_SLOW, _MOST, _WHOLE = 0.25, 160, 0.8  # seconds of a measured epoch, its most steps, and seconds of all of them
_ELEMENTS = 4_000_000  # of the splits together: of more, the test is measured on two parts of them, and drawn out to the whole
_ROW = 5  # times what an epoch takes in metrics.csv, as each figure takes some four times as much in TensorBoard's events
Judge = Callable[[RunPlan, Trained, Folder, float, Loggers], dict[str, Any]]


class Sized(NamedTuple):
    """A run made ready to be measured. begin: CPU seconds of that."""

    plan: RunPlan
    job: Job
    size: Size
    begin: float
    clock: float


def sized(cfg: Config, place: Path, in_sweep: bool) -> Sized:
    """Return a run made ready in the folder `place`, and its size. Raises AerunError as the run would."""
    began, wall = time.process_time(), time.perf_counter()
    plan = build(cfg)
    if plan.trainer.devices > 1:
        raise AerunError(f"trainer.devices={plan.trainer.devices}: a bill is made on one device. Use trainer.devices=1.")
    dataset, data = of_command(plan)
    few = in_sweep and cfg.get("pictures") in ("default", ["default"])
    drawn = pictures.of_sweep(plan.pictures) if few else plan.pictures
    plan = replace(plan, dataset=dataset, pictures=drawn, loggers=[one for one in plan.loggers if one.inside], callbacks=[])
    job = replace(open_folder(plan, prepare(plan, place, data=data), "aerun", resume=False), drawn=not few)
    cpu, clock = time.process_time() - began, time.perf_counter() - wall
    return Sized(plan, job, _size(plan, job), cpu, clock / max(cpu, 1e-9))


def _size(plan: RunPlan, job: Job) -> Size:
    # Deferred: as in _trained.
    from aerun.trainer.pictures import is_drawn

    trainer, autoencoder, data = plan.trainer, job.autoencoder, job.data
    layers = len(autoencoder.arch.levels) * int(getattr(trainer, "layer_epochs", 0))
    epochs = trainer.max_epochs + layers
    return Size(
        flop=step_flop(autoencoder, data.train.x[: trainer.batch_size]),
        parameters=sum(p.numel() for p in autoencoder.own_parameters()),
        epochs=epochs,
        batches=trainer.length.batches,
        shortest=epochs if trainer.patience is None else min(epochs, layers + trainer.patience + 1),
        rows=len(data.train),
        drawings=sum(is_drawn(n + 1, trainer.max_epochs) for n in range(trainer.max_epochs)) if job.drawn else 0,
        limit=trainer.max_time,
        saves=trainer.save_every,
    )


def probe(cfg: Config, judge: Judge, in_sweep: bool = False, first: bool = False) -> Cost:
    """Return what a run of this config costs.

    judge: what tests, examines and draws. first: nothing ran in this process yet, as where Lightning is not loaded.

    Raises AerunError or TrainingError as the run would.
    """
    start = time.process_time()
    cold = "pytorch_lightning" not in sys.modules
    once = _measured(cfg, judge, in_sweep, start)
    if not (first or cold):
        return once
    warm = _measured(cfg, judge, in_sweep, start)
    slow, usual = (cost.begin + cost.fit + cost.end for cost in (once, warm))
    return replace(warm, first=max(0.0, slow - usual), memory=max(once.memory, warm.memory))


def size_of(cfg: Config) -> Size:
    """Return the size of a run of this config, for which nothing is trained. Raises AerunError as the run would."""
    with quiet(), tempfile.TemporaryDirectory(prefix="aerun-") as name:
        return sized(cfg, Path(name), in_sweep=True).size


def _measured(cfg: Config, judge: Judge, in_sweep: bool, start: float) -> Cost:
    with quiet(), tempfile.TemporaryDirectory(prefix="aerun-") as name:
        place = Path(name)
        run = sized(cfg, place, in_sweep)
        settings = _shortened(run)
        assert run.job.loggers is not None
        try:
            fitted, timed = _trained(run, settings)
            picture = _drawing(run)
            end, clock = _judged(run, fitted, judge)
        finally:
            run.job.loggers.close()
        per_epoch = _ROW * files.size(place, "metrics.csv") / settings.max_epochs
        return Cost(
            size=run.size,
            start=start,
            first=0.0,
            begin=run.begin,
            fit=timed.start,
            step=timed.step,
            epoch=timed.epoch,
            save=timed.save,
            picture=picture,
            end=end,
            clock=timed.clock,
            clock_rest=(clock * end + run.clock * run.begin) / max(end + run.begin, 1e-9),
            memory=peak_memory(),
            disk=files.weight(place),
            disk_epoch=per_epoch,
            blocks=timed.blocks,
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let nothing be printed, and leave random numbers as they were."""
    with quiet_aerun(), own_draws(0), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def _trained(run: Sized, settings: Trainer) -> tuple[Fitted, Any]:
    # Deferred: what only reads bills needs no Lightning.
    from aerun.bill.timing import Timing
    from aerun.trainer.fit import fit

    timing = Timing()
    return fit(replace(run.job, watching=[timing], drawn=False), settings, resume=False), timing.result()


def _drawing(run: Sized) -> float:
    """Return the CPU seconds of one drawing of reconstructions; the first, which warms up, is not counted."""
    if not run.size.drawings:
        return 0.0
    # Deferred: as in _trained.
    from aerun.trainer.pictures import Pictures

    assert run.job.loggers is not None
    pictures, model = Pictures(run.job.loggers, run.job.data.val, 1), run.job.autoencoder
    return [_timed(lambda: pictures.draw(model, 1)) for _ in range(2)][-1]


def _timed(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _shortened(run: Sized) -> Trainer:
    """Return the trainer's settings for a few steps: in calls as long as its own where steps are quick, else of five."""
    settings, batches = copy(run.plan.trainer), run.size.batches
    autoencoder, x = run.job.autoencoder, run.job.data.train.x[: settings.batch_size]
    took = max(1e-6, min(_step_seconds(autoencoder, x) for _ in range(2)))
    steps = min(batches, max(2 * _BLOCK, min(_MOST, int(_SLOW / took))))
    if settings.steps_per_call * took > _CALL:
        settings.steps_per_call = min(settings.steps_per_call, _BLOCK)
    settings.limit_batches = steps if steps < batches else settings.limit_batches
    epochs = max(_EPOCHS, min(_MANY, int(_WHOLE / (steps * took))))
    settings.length, settings.max_epochs = Length(epochs, steps, "measured"), epochs
    settings.max_time, settings.progress = None, False
    return settings


def _step_seconds(autoencoder: Autoencoder, x: torch.Tensor) -> float:
    """Return about what a step takes: the objective forwards and backwards."""
    began = time.process_time()
    value = autoencoder.objective(
        autoencoder.units(x), 0.5, autoencoder.facts.valid(x), autoencoder.offered_seen(x), c=autoencoder.known(x)
    )
    value.loss.backward()
    value.names.clear()
    autoencoder.zero_grad()
    return time.process_time() - began


def _judged(run: Sized, fitted: Fitted, judge: Judge) -> tuple[float, float]:
    """Return the CPU seconds of test, health, pictures and applications, and seconds by the clock for one of them."""
    data = run.job.data
    elements = sum(split.x.numel() for split in (data.train, data.val, data.test))
    if elements <= _ELEMENTS:
        return _judging(run, fitted, judge, data)
    share = _ELEMENTS / elements
    half, _ = _judging(run, fitted, judge, _part(data, share / 2))
    whole, clock = _judging(run, fitted, judge, _part(data, share))
    return whole + max(0.0, whole - half) * (1 - share) / (share / 2), clock


def _judging(run: Sized, fitted: Fitted, judge: Judge, data: Data) -> tuple[float, float]:
    assert run.job.loggers is not None
    trained = Trained(run.job.autoencoder, run.plan.dataset, fitted.device, run.plan.seed, data)
    began, wall = time.process_time(), time.perf_counter()
    judge(run.plan, trained, Folder(run.job.folder), decoder_scale(run.job.autoencoder), run.job.loggers)
    cpu = time.process_time() - began
    return cpu, (time.perf_counter() - wall) / max(cpu, 1e-9)


def _part(data: Data, share: float) -> Data:
    """Return a share of the rows of each split, at random and always the same ones."""

    def of(split: Split) -> Split:
        g = torch.Generator().manual_seed(0)
        return split.take(torch.randperm(len(split), generator=g)[: max(2, math.ceil(share * len(split)))])

    return Data(of(data.train), of(data.val), of(data.test))
