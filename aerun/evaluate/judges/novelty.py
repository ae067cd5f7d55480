"""What a part of the model itself calls unusual."""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.compose import ROOMS, options
from aerun.evaluate.judges.base import Unfitted


class Novelty(Unfitted):
    """`novelty` of the part that offers it, such as the distance from the centre of regularizer=svdd."""

    @staticmethod
    def unsupported_reason(model: Autoencoder) -> str:
        if "novelty" in model.offers:
            return ""
        givers = [f"{path}={o}" for room, path in ROOMS.items() for o, cls in options(room).items() if "novelty" in cls.offers]
        return f"needs a part that says itself what it finds unusual: {', '.join(givers)}"

    def __call__(self, model: Autoencoder, stored: Tensor) -> Tensor:
        x = model.units(stored).to(next(model.arch.parameters()).dtype)
        with torch.no_grad():
            return model.novelty(x, **model.beside(stored)).double()
