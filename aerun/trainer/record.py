"""What a run writes as it goes: metrics.csv and TensorBoard, one row and one point an epoch."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard.summary import hparams

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.core.text import shown
from aerun.runs import files, plain
from aerun.runs.events import Events
from aerun.settings.flat import flat
from aerun.settings.labels import LABELS

METRICS = "metrics.csv"


class Record:
    """Appends to the run's own files; on resume, rows and points after the checkpoint are dropped first."""

    def __init__(self, folder: Path, config: Mapping[str, Any] | None, autoencoder: Autoencoder) -> None:
        self.folder = folder
        # Without the first summary, which would name one run's columns for all, TensorBoard finds the columns in every run.
        self.summaries = hparams(_columns(config), {})[1:] if config else ()  # The start and the end of a session.
        self.layout = _layout(autoencoder)
        self.writer: Events | None = None

    def open(self, steps: int) -> None:
        """Open the files to go on after `steps` steps."""
        self.writer = Events(self.folder, purge_step=steps + 1 if steps else None)
        for summary in self.summaries[:1]:
            self.writer.add_proto(summary)
        self.writer.add_custom_scalars(self.layout)
        _keep_rows(self.folder, steps)

    def add(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Write the figures of epochs: `epoch`, `step` and others, the same in each."""
        assert self.writer is not None
        for row in rows:
            points = [Summary.Value(tag=k, simple_value=v) for k, v in row.items() if k not in ("epoch", "step")]
            self.writer.add_proto(Summary(value=points), int(row["step"]))
        self.writer.flush()
        new = not files.exists(self.folder, METRICS)
        with files.appended(self.folder, METRICS) as f:
            out = csv.DictWriter(f, list(rows[0]))
            if new:
                out.writeheader()
            out.writerows(rows)

    def finish(self) -> None:
        """Mark the run as ended; the status of one that fails stays unknown."""
        for summary in self.summaries[1:]:
            assert self.writer is not None
            self.writer.add_proto(summary)
        self.close()

    def close(self) -> None:
        """Write what is buffered and close the event file."""
        if self.writer is not None:
            self.writer.close()


class Recording(Callback):
    """Keeps the record of one run."""

    def __init__(self, record: Record) -> None:
        self.record = record

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.record.open(int(pl_module.steps))  # type: ignore[arg-type]

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.record.add([pl_module.metrics])  # type: ignore[list-item]

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.record.finish()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self.record.close()


def row_of(folder: Path, epoch: int) -> dict[str, float]:
    """Return the metrics of one epoch, as they were written. Raises AerunError where they are not there."""
    for row in plain.rows(folder, METRICS):
        if row.get("epoch") == str(epoch):
            return plain.numbers(folder, row)
    raise AerunError(f"{folder / METRICS}: damaged: it has no row for epoch {epoch}.")


def _keep_rows(folder: Path, steps: int) -> None:
    """Drop the rows after step `steps`: they will be written again."""
    if not files.exists(folder, METRICS):
        return
    kept = 0
    with io.StringIO(newline="") as text:
        for row in plain.rows(folder, METRICS):
            if plain.numbers(folder, row, "step")["step"] > steps:
                continue
            out = csv.DictWriter(text, list(row))
            if not kept:
                out.writeheader()
            out.writerow(row)
            kept += 1
        if kept:
            files.replace(folder, METRICS, text.getvalue())
        else:
            files.remove(folder, METRICS)


def _layout(autoencoder: Autoencoder) -> dict[str, Any]:
    """Return TensorBoard's custom scalars: training and validation of one term in one chart."""
    charts = {k: ["Multiline", [f"train/{k}", f"val/{k}"]] for k in autoencoder.keys(training=True)}
    return {"terms": {**charts, "mse": ["Multiline", ["val/mse"]]}}


# TensorBoard sorts columns by name and shows the first five: short names put what is compared most there.
_SHORT = {"model.name": "model", "reg.lambda": "lambda", "optimizer.lr": "lr"}
_NOISE = ("epochs", "root", "download", "progress", "save_every", "latent_dim", "objective", "evaluate", "pictures", *LABELS)


def _columns(config: Mapping[str, Any]) -> dict[str, bool | str | float]:
    """Return the settings for the HParams page."""
    named = {shown(_SHORT.get(k, k)): shown(v) if isinstance(v, str) else v for k, v in _shown(config).items()}
    return {"latent_dim": float(config["model"]["latent_dim"]), **named}


def _shown(config: Mapping[str, Any]) -> dict[str, bool | str | float]:
    """Return the settings that are shown, by dotted keys.

    Numbers become floats (one type a column), lists text, and a part its option's name; nulls are left out.
    """
    named: dict[str, bool | str | float] = {}
    for key, value in flat(config).items():
        place, _, last = key.rpartition(".")
        if last == "_target_" and place:
            *_, module, name = str(value).split(".")
            named[place] = name if module == "optim" else module
        elif last in ("_target_", *_NOISE) or value is None or value == {}:
            continue
        elif isinstance(value, bool | str):
            named[key] = value
        else:
            named[key] = float(value) if isinstance(value, int | float) else str(value)
    return named
