"""A generative adversarial network on the same data, for comparison: it drops modes where an autoencoder cannot."""

from aerun.experiment import gan
from aerun.experiment.measures.modes import coverage
from aerun.trained import Trained


def measure(trained: Trained) -> dict[str, float]:
    """Return modes and quality of 2,500 samples of a GAN trained on the run's own training split, with the run's seed."""
    points = gan.samples(trained.samples(trained.data.train), 2500)
    return coverage(trained, points)
