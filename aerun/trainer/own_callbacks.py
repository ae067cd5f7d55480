"""What callbacks of a user's own find in Lightning's trainer: a logger, and whether this process is the first.

What one of them raises is told with its name.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from lightning_fabric.utilities.rank_zero import rank_zero_only
from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import SingleDeviceStrategy

from aerun.core.errors import AerunError, TrainingError, line_of
from aerun.logger.several import Loggers

log = logging.getLogger("aerun")

_HOOKS = tuple(name for name, value in vars(Callback).items() if callable(value) and not name.startswith("_"))


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


def name_errors(callbacks: Iterable[Callback], has_begun: Callable[[], bool]) -> None:
    """Let what a hook of these callbacks raises end training as a TrainingError that names the class and the hook.

    has_begun: whether steps were trained, which are kept. What `on_exception` raises is a warning: it must not hide the error
    that it was called for.
    """
    for callback in callbacks:
        owner = f"{type(callback).__module__}.{type(callback).__qualname__}"
        for hook in _HOOKS:
            if getattr(type(callback), hook) is not getattr(Callback, hook):
                setattr(callback, hook, _named(getattr(callback, hook), owner, has_begun))


def _named(hook: Callable[..., Any], owner: str, has_begun: Callable[[], bool]) -> Callable[..., Any]:
    @wraps(hook)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return hook(*args, **kwargs)
        except (AerunError, TrainingError):
            raise
        except Exception as e:
            words = f"callbacks: {owner} raised in {hook.__name__}: {type(e).__name__}: {line_of(e)}"
            if hook.__name__ == "on_exception":
                log.warning("%s", words)
                return None
            kept = "What was trained is kept: aerun resume goes on with it. " if has_begun() else ""
            raise TrainingError(f"{words}. {kept}HYDRA_FULL_ERROR=1 shows where.") from e

    return call
