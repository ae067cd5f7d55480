"""Networks that look at samples in patches: the opponent of patch_critic, and the fixed features of perceptual."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.func import functional_call

from aerun.core.errors import AerunError
from aerun.core.facts import valid_weight
from aerun.model.arch.layers import widths

_SHORTEST = 4  # sides from which a layer halves them


class Patches(nn.Module):
    """Samples (B, *S) -> the features of every hidden layer, and one logit for each patch (B, patches).

    Images and sequences: convolutions of 3, each of which halves the sides down to 2, with leaky ReLU (0.2); a patch is one
    place of the last. Tables: affine maps, and one logit. asker: the regularizer's option, for messages. Raises AerunError for
    text, and for sizes that are not positive integers.
    """

    def __init__(self, asker: str, shape: tuple[int, ...], kind: str, hidden: Sequence[int]) -> None:
        super().__init__()
        if kind == "text":
            raise AerunError(f"regularizer={asker} needs numbers, and text is made of symbols. Use regularizer=kl.")
        sizes = widths(f"reg.terms.{asker}.hidden", hidden, least=1)
        self.steps_first = kind == "sequence"
        if kind == "table" or len(shape) == 1:
            self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([shape[0], *sizes]))
            self.head: nn.Module = nn.Linear(sizes[-1], 1)
            return
        channels, sides = (shape[1], shape[:1]) if self.steps_first else (shape[0], shape[1:])
        conv = nn.Conv1d if len(sides) == 1 else nn.Conv2d
        self.layers = nn.ModuleList()
        side = min(sides)
        for a, b in pairwise([channels, *sizes]):
            self.layers.append(conv(a, b, 3, stride=2 if side >= _SHORTEST else 1, padding=1))
            side = (side + 1) // 2 if side >= _SHORTEST else side
        self.head = conv(sizes[-1], 1, 1)

    def forward(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        h = x.transpose(1, 2) if self.steps_first else x
        features = []
        for layer in self.layers:
            h = nn.functional.leaky_relu(layer(h), 0.2)
            features.append(h)
        return features, self.head(h).flatten(1)

    def frozen(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the same; gradients reach x and never the network's own weights."""
        found: tuple[list[Tensor], Tensor] = functional_call(self, {k: v.detach() for k, v in self.named_parameters()}, (x,))
        return found


def distance(a: Sequence[Tensor], b: Sequence[Tensor], size: int) -> Tensor:
    """Return sum_l ||a_l - b_l||^2 / numel_l times `size`, the number of a sample's elements: (B,)."""
    return size * torch.stack([(x - y).square().flatten(1).mean(1) for x, y in zip(a, b, strict=True)]).sum(0)


def real(x: Tensor, valid: Tensor | None) -> Tensor:
    """Return x (B, *S) with zeros where there is no step."""
    return x if valid is None else x * valid_weight(valid, x)
