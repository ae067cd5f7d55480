"""A bar on a terminal: epoch, rate, time left, current val/mse. Nothing is shown where output is not a terminal."""

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress(Callback):
    """One line that vanishes when training ends; drawn by rich, at most ten times a second."""

    def __init__(self, epochs: int, calls: int, title: str) -> None:
        self.epochs, self.calls, self.title = epochs, calls, title
        self.bar: Bar | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        console = Console(stderr=True)
        if not console.is_terminal:
            return
        text = self.title + "epoch {task.fields[epoch]}/{task.fields[epochs]}  {task.fields[rate]}  val/mse {task.fields[mse]}"
        self.bar = Bar(BarColumn(30), TextColumn(text), TimeRemainingColumn(), console=console, transient=True)
        done = trainer.current_epoch
        fields: dict[str, Any] = {"epoch": done, "epochs": self.epochs, "rate": "", "mse": "..."}
        self.task = self.bar.add_task("", total=self.epochs * self.calls, completed=done * self.calls, **fields)
        self.bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any) -> None:
        if self.bar is not None:
            self.bar.advance(self.task)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.bar is not None:
            row: dict[str, float] = pl_module.metrics  # type: ignore[assignment]
            rate = f"{row['samples_per_second']:,.0f} samples/s"
            self.bar.update(self.task, epoch=int(row["epoch"]) + 1, rate=rate, mse=f"{row['val/mse']:.5f}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
