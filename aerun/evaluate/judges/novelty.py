"""What a part of the model itself calls unusual."""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.compose import ROOMS, options
from aerun.evaluate.judges.base import Judge
from aerun.trained import Trained


class Novelty(Judge):
    """`novelty` of the part that offers it, such as the distance from the centre of regularizer=svdd."""

    @staticmethod
    def unsupported_reason(model: Autoencoder) -> str:
        if "novelty" in model.offers:
            return ""
        givers = [f"{path}={o}" for room, path in ROOMS.items() for o, cls in options(room).items() if "novelty" in cls.offers]
        return f"needs a part that says itself what it finds unusual: {', '.join(givers)}"

    @classmethod
    def fitted(cls, trained: Trained) -> Self:
        return cls()

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor], model: Autoencoder) -> Self:
        return cls()

    def arrays(self) -> dict[str, Tensor]:
        return {}

    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor:
        x = model.units(stored).to(next(model.arch.parameters()).dtype)
        with torch.no_grad():
            return model.novelty(x, **model.beside(stored)).double()
