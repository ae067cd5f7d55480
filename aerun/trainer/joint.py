"""All parts trained together, end to end."""

from aerun.trainer.base import Fitted, Job, Trainer
from aerun.trainer.fit import fit


class Joint(Trainer):
    """The whole objective from the first step: epochs of mini-batches, validation after each."""

    def fit(self, job: Job, resume: bool) -> Fitted:
        return fit(job, self, resume)
