"""The code of a hidden layer, for training layer by layer."""

from aerun.model.bottleneck.vector import Vector
from aerun.parts import Bottleneck


def features_as_code(count: int) -> Bottleneck:
    """Return the bottleneck that passes features on unchanged."""
    return Vector(latent_dim=count)
