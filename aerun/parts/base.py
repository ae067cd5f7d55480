"""What all parts share: names that they need, names that they offer."""

from abc import ABC
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from aerun.vocabulary import parameters_of


class Part(nn.Module, ABC):
    """A part of the model that can be chosen on the command line.

    lacking: names that its option offers and that it does not, each with the setting because of which, the value of that, and
    one with which it would.
    """

    offers: frozenset[str] = frozenset()
    watches: tuple[str, ...] = ()  # figures that `watch` returns, logged in validation as val/OPTION/FIGURE
    lacking: Mapping[str, tuple[str, str, str]] = MappingProxyType({})
    follows_batches: bool = False  # whether its buffers follow the batches of training

    def novelty(self, *_: Any, **names: Any) -> Tensor:
        """Return (B,), higher for samples that this part finds unusual, where `novelty` is among its `offers`.

        Parameters are names of a clean pass: x, h, z, x_hat, raw, the functions, and valid, seen and c where there are any.
        """
        raise NotImplementedError

    def watch(self, *_: Any, **names: Any) -> dict[str, Tensor]:
        """Return figures of a validation batch, logged beside the objective; parameters are names of the vocabulary."""
        return {}

    def assign(self, z: Tensor) -> Tensor | None:
        """Return the number of the cluster that each code (n, d) belongs to, (n,), or None for a part that has no clusters."""
        return None

    @classmethod
    def needs(cls) -> frozenset[str]:
        """Return the names that `forward` cannot do without."""
        return frozenset(k for k, p in parameters_of(cls.forward).items() if p.default is p.empty)

    @classmethod
    def takes(cls) -> frozenset[str]:
        """Return the names that `forward` uses, the optional ones included."""
        return frozenset(parameters_of(cls.forward))


def option(part: object) -> str:
    """Return the name of the option that a part or a data set was chosen by: the name of its module."""
    return type(part).__module__.rpartition(".")[2]
