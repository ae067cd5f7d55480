"""The loss of a hidden layer's features, for training layer by layer."""

from aerun.model.loss.bce import Bce
from aerun.model.loss.mse import Mse
from aerun.parts import Loss


def feature_loss(probabilities: bool) -> Loss:
    """Return bce for features that end in a sigmoid, else mse, both summed over the features."""
    if probabilities:
        return Bce(reduction="sum", low=0.0, high=1.0)
    return Mse(activation="linear", reduction="sum", low=None, high=None)
