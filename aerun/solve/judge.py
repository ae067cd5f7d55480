"""Candidates held against each other on validation rows: the application that judges reads them in place of the test rows."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from aerun.core.errors import AerunError
from aerun.core.logs import quiet_aerun
from aerun.core.seeding import own_draws
from aerun.dataset.splits import Data
from aerun.evaluate.features import Features, features
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.suite import ask
from aerun.inference.loading import trained as load
from aerun.solve.drawn import best_sampler, drawn
from aerun.solve.tasks import Task
from aerun.trained import Trained


@dataclass
class Judge:
    """Reads the data once for all candidates of a plan. samplers: of `generate`, the best for each candidate."""

    task: Task
    samplers: dict[Path, str] = field(default_factory=dict)
    once: float = 0.0  # seconds of what is done once for all of them
    _first: Trained | None = None
    _data: Data | None = None
    _space: Features | None = None

    def loaded(self, run: Path) -> Trained:
        """Return a candidate with its data, which are those of the first."""
        with quiet_aerun():
            trained, _ = load(run)
            if self._first is None:
                began = time.perf_counter()
                self._first, self._data = trained, trained.dataset.load()
                self.once += time.perf_counter() - began
            return replace(trained, dataset=self._first.dataset, loaded=self._data)

    def on_validation(self, run: Path) -> Mapping[str, float]:
        """Return the figure of a candidate and of its baselines on validation rows, by name; model is its own.

        Where models cannot be compared by the figure itself, it is its share of PCA's. AerunError where it has none.
        """
        trained = self.loaded(run)
        if self.task.name == "generate":
            outcome = self._drawn(trained, test=False)
            self.samplers[run] = best_sampler(outcome)
            figures = {who: row["fcd"] for who, row in outcome.figures.items()}
            return {"model": figures[self.samplers[run]], **figures}
        data = Data(trained.data.train, trained.data.val, trained.data.val)
        outcome = asked(self.task, replace(trained, loaded=data))
        figures = {who: row[self.task.figure] for who, row in outcome.figures.items() if self.task.figure in row}
        if not self.task.relative:
            return figures
        if "pca" not in figures:
            raise AerunError(f"{self.task.figure} of PCA at the same quality is not known, so that nothing can be compared")
        return {who: value / figures["pca"] for who, value in figures.items()}

    def on_test(self, run: Path) -> Outcome:
        """Return what the application makes of the chosen run on test rows."""
        trained = self.loaded(run)
        return self._drawn(trained, test=True) if self.task.name == "generate" else asked(self.task, trained)

    def _drawn(self, trained: Trained, test: bool) -> Outcome:
        with quiet_aerun(), own_draws(trained.seed):
            if self._space is None:
                began = time.perf_counter()
                data = Data(trained.data.train, trained.data.val, trained.data.val)  # whose accuracy is told
                self._space = features(replace(trained, loaded=data))
                self.once += time.perf_counter() - began
            split, name = (trained.data.test, "test") if test else (trained.data.val, "validation")
            return drawn(trained, split, name, self._space)


def asked(task: Task, trained: Trained) -> Outcome:
    """Return what the application of a task says of a model. Raises AerunError where it cannot."""
    with quiet_aerun(), torch.no_grad():
        return ask(task.ask, trained)[0]
