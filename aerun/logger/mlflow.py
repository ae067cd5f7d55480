"""A run of MLflow, written through its client: a tracking server, or a local store."""

import os
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.logger import ids
from aerun.logger.base import About, Logger, numbers, require
from aerun.settings.flat import flat
from aerun.settings.labels import labels_of

_AT_ONCE = 100  # parameters in a request, as many as servers take
_LONGEST = 500  # characters of a parameter that every server takes
_NOTE = "mlflow.note.content"
_PATIENCE = {  # unless the environment says otherwise: MLflow's own keep a run waiting for a quarter of an hour, unsaid
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds
}
_STRANGE = re.compile(r"[^\w\-./ :]")


class Mlflow(Logger):
    """Parameters are the settings by dotted keys, metrics the figures as metrics.csv and results.json name them.

    Where a figure has a curve, its value at the best epoch is best/NAME. Tags, the verdict and the card, which is the run's
    note, are tags there; pictures are artifacts. The horizontal axis counts epochs that are done.
    """

    def __init__(self, *, uri: str | None, experiment: str) -> None:
        require("mlflow", "mlflow")
        self.uri, self.experiment = uri, experiment
        self.curves: set[str] = set()

    def open(self, about: About, epoch: int, steps: int) -> None:
        self.reopen(about)

    def reopen(self, about: About) -> None:
        # deferred: only where it is chosen
        from mlflow import MlflowClient

        for name, value in _PATIENCE.items():
            os.environ.setdefault(name, value)
        self.client = MlflowClient(tracking_uri=self.uri)
        run = ids.known(about.folder, "mlflow")
        if run is None:
            run = self._new(about)
            ids.keep(about.folder, "mlflow", run)
        else:
            self.client.update_run(run, status="RUNNING")
        self.run = run

    def _new(self, about: About) -> str:
        # deferred: only where it is chosen
        from mlflow.entities import Param

        found = self.client.get_experiment_by_name(self.experiment)
        place = self.client.create_experiment(self.experiment) if found is None else found.experiment_id
        tags = {"tags": ",".join(labels_of(about.config or {})["tags"]), "command": about.command}
        run = str(self.client.create_run(place, tags=tags, run_name=about.folder.name).info.run_id)
        params = [Param(_name(k), str(v)[:_LONGEST]) for k, v in flat(about.config or {}).items()]
        for start in range(0, len(params), _AT_ONCE):
            self.client.log_batch(run, params=params[start : start + _AT_ONCE])
        return run

    def metrics(self, rows: Sequence[Mapping[str, float]]) -> None:
        for row in rows:
            self.curves |= row.keys()
            self._log({k: v for k, v in row.items() if k not in ("epoch", "step")}, int(row["epoch"]) + 1)

    def _log(self, figures: Mapping[str, float], epoch: int) -> None:
        # deferred: only where it is chosen
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        points = [Metric(_name(k), float(v), now, epoch) for k, v in figures.items()]
        for start in range(0, len(points), _AT_ONCE):
            self.client.log_batch(self.run, metrics=points[start : start + _AT_ONCE])

    def extra(self, figures: Mapping[str, float], epoch: int) -> None:
        self._log(figures, epoch)

    def picture(self, name: str, pixels: NDArray[np.uint8], caption: str, epoch: int) -> None:
        self.client.log_image(self.run, pixels, f"pictures/{name}.png")

    def results(self, results: Mapping[str, Any], objective: str, epoch: int) -> None:
        known = numbers(results)
        self._log(
            {f"best/{k}" if k in self.curves or k.startswith(("train/", "val/")) else k: v for k, v in known.items()}, epoch
        )
        self.client.set_tag(self.run, "objective", objective)
        self.client.set_tag(self.run, "verdict", str(results.get("verdict", "")))

    def card(self, text: str, epoch: int) -> None:
        self.client.set_tag(self.run, _NOTE, text)

    def end(self, done: bool) -> None:
        self.client.set_terminated(self.run, "FINISHED" if done else "FAILED")


def _name(key: str) -> str:
    return _STRANGE.sub("_", key)
