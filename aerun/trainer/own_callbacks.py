"""What callbacks of a user's own find in Lightning's trainer: a logger, and whether this process is the first."""

from collections.abc import Mapping
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import SingleDeviceStrategy

from aerun.logger.several import Loggers


class OwnFigures(Logger):
    """Takes what callbacks log, with `pl_module.log` or `trainer.logger.log_metrics`, to the run's loggers, by epochs."""

    def __init__(self, loggers: Loggers, trainer: Trainer) -> None:
        super().__init__()
        self.loggers = loggers
        self.trainer = trainer

    @property
    def name(self) -> str:
        """Return the name of the run's folder."""
        return self.loggers.about.folder.name

    @property
    def version(self) -> str:
        """Return nothing: a folder holds one run."""
        return ""

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Do nothing: the loggers have the settings."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        module: LightningModule = self.trainer.lightning_module
        ours = module.metrics.keys() | {"epoch"}  # type: ignore[union-attr, operator]
        own = {k: float(v) for k, v in metrics.items() if k not in ours}
        if own:
            self.loggers.extra(own, self.trainer.current_epoch + 1)


class OfRank(SingleDeviceStrategy):
    """The strategy of a further rank, which is not the first."""

    @property
    def is_global_zero(self) -> bool:
        return False


def be_rank(rank: int) -> None:
    """Let Lightning's `rank_zero_only` know this process's rank."""
    rank_zero_only.rank = rank  # type: ignore[attr-defined]
