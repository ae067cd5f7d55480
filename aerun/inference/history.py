"""The figures of a run, epoch by epoch, as its metrics.csv has them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerun.core.errors import AerunError, nearest
from aerun.inference.card import page, svg
from aerun.runs import plain

LOSS = ("train/loss", "val/loss")


class History(dict[str, NDArray[np.float64]]):
    """Figures by name, (epochs,) each: epoch, train/loss, val/loss, val/mse and so on; a data frame's columns as they are.

    best: the epoch whose weights were kept, None where that is not known.
    """

    best: int | None = None

    @classmethod
    def of(cls, folder: Path, results: Mapping[str, Any]) -> "History":
        """Return the history of a run's folder, empty where there is none. Raises AerunError for a damaged metrics.csv."""
        rows = [plain.numbers(folder, row) for row in plain.rows(folder)]
        history = cls({name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())})
        best = results.get("best_epoch")
        history.best = best if type(best) is int else None
        return history

    def __repr__(self) -> str:
        """Return its epochs, its best one and the names of its figures."""
        names = [name for name in self if name not in ("epoch", "step")]
        shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
        best = "" if self.best is None else f", best {self.best}"
        return f"<aerun history: {self.epochs} epochs{best}; {shown}>"

    @property
    def epochs(self) -> int:
        """Return the number of epochs."""
        return len(next(iter(self.values()), ()))

    def _repr_html_(self) -> str:
        return page("history", [("epochs", str(self.epochs))], svg({k: self[k] for k in LOSS if k in self}, self.best))

    def plot(self, *names: str, ax: Any = None) -> Any:
        """Draw figures over the epochs, train/loss and val/loss unless named, into `ax` or a figure; return the figure.

        Raises AerunError for a figure that is not there, and where matplotlib is missing.
        """
        for name in names or LOSS:
            if name not in self:
                raise AerunError(f"plot: no figure {name}{nearest(name, self)}; history has {', '.join(self) or 'none'}.")
        return drawing().history(self, names or LOSS, self.best, ax)


def drawing() -> Any:
    """Return the module that draws. Raises AerunError where matplotlib is missing."""
    try:
        # deferred: import aerun does without matplotlib
        from aerun.inference import drawing as module
    except ImportError as e:
        if (e.name or "").partition(".")[0] != "matplotlib":
            raise
        raise AerunError("plot: needs matplotlib, which is not installed: pip install matplotlib") from e
    return module
