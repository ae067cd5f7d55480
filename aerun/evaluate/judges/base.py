"""What a judge is."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.trained import Trained


class Judge(ABC):
    """A score of samples, higher for unusual ones: called with a model in 64 bits and stored samples, it returns (B,)."""

    @staticmethod
    def unsupported_reason(model: Autoencoder) -> str:
        """Return why it cannot judge by this model; empty where it can."""
        return ""

    @classmethod
    @abstractmethod
    def fitted(cls, trained: Trained) -> Self:
        """Return one that has learned from training samples what it needs."""

    @classmethod
    @abstractmethod
    def restored(cls, arrays: Mapping[str, Tensor], model: Autoencoder) -> Self:
        """Return the one that `arrays` describe. Raises ValueError and others where they describe none of this model."""

    @abstractmethod
    def arrays(self) -> dict[str, Tensor]:
        """Return all that it consists of."""

    @abstractmethod
    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor: ...


class Unfitted(Judge):
    """A judge that learns nothing from training samples, so that there is nothing to keep."""

    @classmethod
    def fitted(cls, trained: Trained) -> Self:
        return cls()

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor], model: Autoencoder) -> Self:
        return cls()

    def arrays(self) -> dict[str, Tensor]:
        return {}
