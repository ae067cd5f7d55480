"""A run of Weights & Biases."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.checks import one_of
from aerun.logger import ids
from aerun.logger.base import About, Logger, numbers, require
from aerun.settings.labels import labels_of

_MODES = ("online", "offline", "disabled")


class Wandb(Logger):
    """Settings are its config, figures its history as metrics.csv names them, results its summary, the card its notes.

    The horizontal axis counts epochs that are done. Nothing of what is printed is sent. Offline, the run lies in DIR/wandb
    until `wandb sync` sends it; one that was interrupted lies there in parts of one id.
    """

    def __init__(self, *, project: str, entity: str | None, group: str | None, mode: str | None, dir: str | None) -> None:
        require("wandb", "wandb")
        self.mode = None if mode is None else one_of("logger.wandb.mode", mode, _MODES)
        self.project, self.entity, self.group, self.dir = project, entity, group, dir
        self.run: Any = None

    def open(self, about: About, epoch: int, steps: int) -> None:
        self.reopen(about)

    def reopen(self, about: About) -> None:
        # deferred: only where it is chosen
        import wandb

        folder, labels = about.folder, labels_of(about.config or {})
        sweep = folder.parent.name if folder.parent.parent.name == "sweeps" else None
        self.run = wandb.init(
            project=self.project,
            entity=self.entity,
            group=self.group or sweep,
            mode=self.mode,  # type: ignore[arg-type, unused-ignore]
            dir=self.dir,
            id=ids.known(folder, "wandb"),
            name=folder.name,
            config=dict(about.config or {}),
            tags=labels["tags"],
            resume="allow",
            reinit="create_new",  # several runs are trained at once
            settings=wandb.Settings(silent=True, console="off"),
        )
        ids.keep(folder, "wandb", str(self.run.id))

    def metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        for row in rows:
            self.run.log(dict(row), step=int(row["epoch"]) + 1)

    def extra(self, figures: Mapping[str, float], epoch: int) -> None:
        self.run.log(dict(figures), step=epoch)

    def picture(self, name: str, pixels: NDArray[np.uint8], caption: str, epoch: int) -> None:
        # deferred: only where it is chosen
        import wandb

        self.run.log({f"pictures/{name}": wandb.Image(pixels, caption=caption)}, step=epoch)

    def results(self, results: Mapping[str, Any], objective: str, epoch: int) -> None:
        words = {"objective_name": objective, "verdict": str(results.get("verdict", ""))}
        self.run.summary.update({**numbers(results), **words})

    def card(self, text: str, epoch: int) -> None:
        self.run.notes = text

    def end(self, done: bool) -> None:
        run, self.run = self.run, None
        run.finish(exit_code=0 if done else 1)

    def close(self) -> None:
        if self.run is not None:
            self.end(done=True)
