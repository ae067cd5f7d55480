"""How long a run trains: the horizon of its schedule, and when it may end before; settled once its data are read."""

import math
from dataclasses import asdict, dataclass
from typing import Any

LEAST_STEPS, LEAST_EPOCHS = 2000, 30  # of training on data for which nobody has measured what is enough
_SHARE, _LEAST_PATIENCE = 0.25, 10  # of the planned epochs, without a better one, after which a run of automatic length ends
_RULE = f"at least {LEAST_STEPS:,} steps and {LEAST_EPOCHS} epochs"


@dataclass(frozen=True)
class Length:
    """So many epochs of so many batches (optimizer steps), and where that comes from, in words.

    patience: it ends before, after so many epochs without a better one; None: never.
    """

    epochs: int
    batches: int
    source: str
    patience: int | None = None

    @property
    def steps(self) -> int:
        """Return the optimizer steps of the whole training."""
        return self.epochs * self.batches

    def plain(self) -> dict[str, Any]:
        """Return it as it is written into run.json."""
        return {**asdict(self), "steps": self.steps}


def length_of(max_epochs: int | None, max_steps: int | None, enough: int | None, batches: int) -> Length:
    """Return the length of a training whose epochs have `batches` steps.

    trainer.max_epochs comes first, then trainer.max_steps in whole epochs, then `enough`, the epochs that were measured for the
    data set; else max(2000, 30 batches) steps, so that few rows are not left after a few steps.
    """
    if max_epochs is not None:
        return Length(max_epochs, batches, "trainer.max_epochs")
    if max_steps is not None:
        return Length(math.ceil(max_steps / batches), batches, "trainer.max_steps")
    if enough is not None:
        return Length(enough, batches, "dataset.epochs")
    return Length(max(LEAST_EPOCHS, math.ceil(LEAST_STEPS / batches)), batches, _RULE)


def patience_of(epochs: int) -> int | None:
    """Return the patience of a run of so many planned epochs whose length nobody typed; None where it could end nothing."""
    patience = max(_LEAST_PATIENCE, math.ceil(_SHARE * epochs))
    return patience if patience < epochs else None


def over(spent: float, epoch: float, limit: float | None) -> bool:
    """Return whether another epoch, which takes so many seconds, would end after the limit. None: there is none."""
    return limit is not None and spent + epoch > limit
