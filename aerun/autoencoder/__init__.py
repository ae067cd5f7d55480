"""An autoencoder as one module: its parts, its passes and its objective."""

from aerun.autoencoder.model import Autoencoder, Value

__all__ = ["Autoencoder", "Value"]
