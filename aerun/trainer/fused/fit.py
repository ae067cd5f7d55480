"""One fit of several runs, in a loop of its own: Lightning trains one model, and its import takes longer than many do."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from aerun.dataset.storage.mapped import Mapped
from aerun.logger.rows import row_of
from aerun.parts import weights
from aerun.runs.checkpoint import read
from aerun.runs.identity import refuse_foreign
from aerun.trainer.backend import choose
from aerun.trainer.base import Fitted, Job, Trainer, has_batch_norm
from aerun.trainer.batches import Batches, mix
from aerun.trainer.fit import batches, device_of
from aerun.trainer.fused.agreement import disagreement
from aerun.trainer.fused.batches import Together
from aerun.trainer.fused.descent import ELEMENTWISE, Descent, order
from aerun.trainer.fused.draws import Streams
from aerun.trainer.fused.files import MemberFiles, Saving, load, together
from aerun.trainer.fused.member import Member
from aerun.trainer.fused.members import Members
from aerun.trainer.fused.training import FusedTraining
from aerun.trainer.joint import Joint
from aerun.trainer.progress import Progress

log = logging.getLogger("aerun")

_WORTH = 26e6  # multiply-adds x 2 of all layers and a batch; beyond, little is gained (measured: 0.2 at 2e6, 0.5 to 0.8 there)


def unsupported_reason(job: Job, settings: Trainer) -> str:
    """Return why runs like this one gain nothing from being trained as one, or cannot be; empty where they can."""
    if job.callbacks:
        return "callbacks are called for one model at a time"
    model, modules = job.autoencoder, list(job.autoencoder.modules())
    work = 2.0 * settings.batch_size * sum(w.numel() for w in weights(modules) if w.ndim == 2)
    if not isinstance(settings, Joint) or job.optimizer.cls not in ELEMENTWISE:
        return "only trainer=joint with optimizer=adam, adamw or sgd"
    if job.data.train.w is not None:
        return "not with weights of samples"
    if settings.precision == "bf16-mixed" or isinstance(job.data.train.x, Mapped):
        return "only full precision, and data that fit in memory"
    if settings.max_time is not None:
        return "not with trainer.max_time, which is the time of one run"
    if settings.accumulate > 1:
        return "not with trainer.accumulate"
    if model.opposed() or has_batch_norm(model):
        return "not with an opponent or batch norm"
    if any(isinstance(m, nn.RNNBase | nn.modules.conv._ConvNd) for m in modules) or model.facts.ragged:
        return "only fully connected models: convolutions and recurrent layers are faster one by one"
    if work > _WORTH:
        return f"too large to gain: {work / 1e6:.0f} MFLOP a batch, up to {_WORTH / 1e6:.0f} do"
    return ""


def equivalence_error(jobs: Sequence[Job], settings: Trainer) -> str:
    """Return why these runs cannot be trained as one, tried on their first batch; empty where they can.

    Their models are started but not trained.
    """
    device = device_of(settings)
    _ready(jobs, settings, device)
    if len({tuple(p.ndim for p in job.autoencoder.parameters()) for job in jobs}) > 1:
        return "their weights have other dimensions"
    members = Members([job.autoencoder for job in jobs], Streams(device))
    calls = Together(batches(jobs[0], settings, device)[0], lambda: [job.seed for job in jobs])
    first, template = next(iter(calls))[0], jobs[0].autoencoder
    return disagreement(members, calls.batch(first, template), [mix(job.seed, 0, 0) for job in jobs])


def fit(jobs: Sequence[Job], settings: Trainer, resume: bool, done: dict[Path, Fitted] | None = None) -> list[Exception | None]:
    """Train all runs to their ends, and return for each the error that ended it, or None.

    Each run's checkpoints, metrics.csv and events are left in its folder. With `resume` all go on from their last checkpoints,
    which are of one epoch. done: what training reports is put into it, by folders, for runs whose autoencoders then have the
    best weights; of others the best epoch was before.
    """
    numbers = order([job.optimizer for job in jobs])
    runs = [Member(jobs[i], settings) for i in numbers]
    device = device_of(settings)
    _ready(jobs, settings, device)
    checkpoints = [read(run.job.folder) for run in runs] if resume else []
    for run, checkpoint in zip(runs, checkpoints, strict=False):
        refuse_foreign(checkpoint, run.job.identity, run.last_path)
        load(run.job.autoencoder, checkpoint["state_dict"])
        run.restore(checkpoint)
    training, val = _training(runs, settings, device)
    if checkpoints:
        states = [checkpoint["optimizer_states"][0] for checkpoint in checkpoints]
        training.descent.place(together(runs[0].job.optimizer, runs[0].job.autoencoder, states))
        training.without = training.descent.stateless()
        training.steps = int(checkpoints[0]["steps"])
    _run(training, val, settings)
    if done is not None:
        done.update({run.job.folder: fitted for run in runs if (fitted := _fitted(training, run, settings, device))})
    errors = {id(run.job): run.error for run in runs}
    return [errors[id(job)] for job in jobs]


def _ready(jobs: Sequence[Job], settings: Trainer, device: torch.device) -> None:
    for job in jobs:
        job.autoencoder.to(device, torch.float64 if settings.precision == "64-true" else None).train()
    log.info("%s", _backend(jobs[0], settings, device))


def _backend(job: Job, settings: Trainer, device: torch.device) -> str:
    return choose(settings.backend, job.autoencoder.busy_modules(), settings.batch_size, device)


def _fitted(training: FusedTraining, run: Member, settings: Trainer, device: torch.device) -> Fitted | None:
    """Return what training reports of a run, and give its autoencoder the best weights; None where these are not here."""
    if run.error is not None or run.best_rows is None:
        return None
    training.members.hand_back(training.runs.index(run), run.best_rows).eval()
    row = row_of(run.job.folder, run.best_epoch)
    backend, count = _backend(run.job, settings, device), len(training.runs)
    return Fitted(backend, device, row, run.best_epoch, run.epochs, run.seconds, count)


def _training(runs: list[Member], settings: Trainer, device: torch.device) -> tuple[FusedTraining, Batches]:
    """Return what trains them, and the batches of validation."""
    members = Members([run.job.autoencoder for run in runs], Streams(device))
    alone, val = batches(runs[0].job, settings, device)
    calls = Together(alone, lambda: [runs[n].job.seed for n in members.numbers])
    descent = Descent(members, [run.job.optimizer for run in runs])
    return FusedTraining(descent, runs, calls, alone.steps * settings.max_epochs, settings.gradient_clip), val


def _run(training: FusedTraining, val: Batches, settings: Trainer) -> None:
    title, early = f"{len(training.runs)} jobs as one: ", settings.patience is not None
    progress = Progress(settings.max_epochs, len(training.batches), title, early) if settings.progress else None
    saving = Saving(MemberFiles(training), settings.save_every, settings.max_epochs)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if settings.precision == "64-true" else before)
    first = training.steps // training.batches.alone.steps
    try:
        training.on_fit_start()
        if progress is not None:
            progress.begin(first)
        for epoch in range(first, settings.max_epochs):
            training.current_epoch = epoch
            _epoch(training, val, saving, progress)
            if training.over:
                break
        saving.close()
    except BaseException:
        saving.broken()
        raise
    finally:
        torch.set_default_dtype(before)
        if progress is not None:
            progress.stop()


def _epoch(training: FusedTraining, val: Batches, saving: Saving, progress: Progress | None) -> None:
    training.batches.sampler.set_epoch(training.current_epoch)
    training.on_train_epoch_start()
    for call in training.batches:
        training.training_step(call)
        if progress is not None:
            progress.step()
    saving.trained()
    with torch.no_grad():
        training.on_validation_epoch_start()
        for stored in val:
            training.validation_step(stored)
        training.on_validation_epoch_end()
    if progress is not None and training.metrics:
        progress.reached(training.metrics)
    saving.validated()
