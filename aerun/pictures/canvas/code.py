"""Units of a code, moved one at a time."""

from dataclasses import dataclass

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate.subset import refuse_few
from aerun.pictures.canvas.rows import grids, stride_sample
from aerun.pictures.canvas.sheet import images_only
from aerun.trained import Trained

_MOST = 1000


def continuous_image(model: Autoencoder, dataset: Dataset) -> str:
    """Return why codes of this model cannot be moved and looked at, or nothing."""
    if reason := images_only(dataset):
        return reason
    if model.bottleneck.levels:
        return "needs a code that can be moved a little; entries of a codebook cannot."
    return ""


@dataclass(frozen=True)
class Centre:
    """codes (n, d, *grid) of every (n / 1,000)-th validation sample; code (d, *grid): the one nearest to their mean.

    c (1, m): what is known beforehand of the sample that it is of; None where the model is told nothing.
    """

    codes: Tensor
    code: Tensor
    c: Tensor | None = None

    @property
    def units(self) -> Tensor:
        """Return values of each unit, (n, d), or (n * places, d) of a spatial code."""
        return self.codes.flatten(2).movedim(1, -1).reshape(-1, self.codes.shape[1]) if self.codes.ndim > 2 else self.codes

    def moved(self, unit: int, values: Tensor) -> Tensor:
        """Return (len(values), d, *grid): the centre with one unit set to each value, at every place."""
        z = self.code.expand(len(values), *self.code.shape).clone()
        z[:, unit] = values.view(-1, *[1] * (z.ndim - 2))
        return z


def centre(trained: Trained) -> Centre:
    """Return the centre of the validation split's codes.

    Raises AerunError for a single sample, whose units do not vary.
    """
    refuse_few(len(trained.data.val), 2, "validation", "a picture of how units vary")
    split = stride_sample(trained.data.val, _MOST)
    codes, c = grids(trained, split), trained.told(split)
    place = int((codes - codes.mean(0)).flatten(1).square().sum(1).argmin())
    return Centre(codes, codes[place], None if c is None else c[place : place + 1])


def decoded(model: Autoencoder, z: Tensor, middle: Centre) -> Tensor:
    """Return samples (n, *S) of codes moved from the centre, of which is known what is known of the centre."""
    return model.decode(z, c=None if middle.c is None else middle.c.expand(len(z), -1))


@torch.no_grad()
def responses(trained: Trained, middle: Centre) -> Tensor:
    """Return (decode(z + s_j e_j) - decode(z - s_j e_j)) / 2 of every unit j, (d, *S), s_j its standard deviation.

    For a linear decoder s_j times its j-th column. Of a spatial code one place is moved, the middle one.
    """
    step = middle.units.std(0)
    place = tuple(side // 2 for side in middle.code.shape[1:])
    answers = []
    for units in torch.arange(len(step)).split(64):
        z = middle.code.expand(len(units), *middle.code.shape)
        shift = torch.zeros_like(z)
        shift[(torch.arange(len(units)), units, *place)] = step[units]
        model = trained.autoencoder
        answers.append((decoded(model, z + shift, middle) - decoded(model, z - shift, middle)) / 2)
    return torch.cat(answers)
