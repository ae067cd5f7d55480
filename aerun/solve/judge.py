"""Candidates held against each other on validation rows: the application that judges reads them in place of the test rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from aerun.core.errors import AerunError
from aerun.core.logs import quiet_aerun
from aerun.dataset.splits import Data
from aerun.evaluate.outcome import Outcome
from aerun.evaluate.suite import ask
from aerun.inference.loading import trained as load
from aerun.solve.tasks import Task
from aerun.trained import Trained


@dataclass
class Judge:
    """Reads the data once for all candidates of a plan."""

    task: Task
    _first: Trained | None = None
    _data: Data | None = None

    def loaded(self, run: Path) -> Trained:
        """Return a candidate with its data, which are those of the first."""
        with quiet_aerun():
            trained, _ = load(run)
            if self._first is None:
                self._first, self._data = trained, trained.dataset.load()
            return replace(trained, dataset=self._first.dataset, loaded=self._data)

    def on_validation(self, run: Path) -> Mapping[str, float]:
        """Return the figure of a candidate and of its baselines on validation rows, by name; model is its own."""
        trained = self.loaded(run)
        data = Data(trained.data.train, trained.data.val, trained.data.val)
        outcome = asked(self.task, replace(trained, loaded=data))
        return {who: row[self.task.figure] for who, row in outcome.figures.items() if self.task.figure in row}

    def on_test(self, run: Path) -> Outcome:
        """Return what the application makes of the chosen run on test rows."""
        return asked(self.task, self.loaded(run))


def asked(task: Task, trained: Trained) -> Outcome:
    """Return what the application of a task says of a model. Raises AerunError where it cannot."""
    with quiet_aerun(), torch.no_grad():
        return ask(task.ask, trained)[0]


__all__ = ["AerunError", "Judge", "asked"]
