"""The loggers of a job."""

from aerun.logger.base import About
from aerun.logger.several import Loggers, default
from aerun.trainer.base import Job


def loggers_of(job: Job) -> Loggers:
    """Return a job's loggers; metrics.csv and TensorBoard where it was not given any."""
    if job.loggers is not None:
        return job.loggers
    return Loggers(default(), About(job.folder, job.config, terms=job.autoencoder.keys(training=True)))
