"""One layer of an autoencoder and its mirror image, as an autoencoder of its own that shares their parameters."""

import torch
from torch import Tensor, nn

from aerun.autoencoder import Autoencoder
from aerun.compose import Composition
from aerun.core.facts import Facts
from aerun.model.bottleneck.features import features_as_code
from aerun.model.loss.features import feature_loss
from aerun.parts import Arch
from aerun.preparation.base import Unchanged


class _LayerArch(Arch):
    """encode: h_{l-1} (centred where it is the input) -> h_l; decode: back, as far as the loss's activation."""

    def __init__(self, down: nn.Module, up: nn.Module, after: nn.Module, mean: Tensor) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Sequential(down), nn.Sequential(up, after)
        self.register_buffer("mean", mean)

    def start_from(self, mean: Tensor, raw_mean: Tensor) -> None:
        """Do nothing: the outermost layer was started with the whole, and the others start as they are."""


def layer(whole: Autoencoder, number: int) -> Autoencoder:
    """Return layer `number` (1: the outermost) of `whole`. Its regularizers are left to the whole."""
    levels = whole.arch.levels
    level, outermost, innermost = levels[number - 1], number == 1, number == len(levels)
    after: nn.Module = nn.Sequential()
    if outermost:
        facts, loss, mean = whole.facts, whole.loss, whole.arch.mean
    else:
        shape = _shape(whole, number - 1)
        sigmoid = level.logits is not None
        facts = Facts(shape, "table", 1.0, 0.0 if sigmoid else None, 1.0 if sigmoid else None, None)
        loss, after = feature_loss(sigmoid), level.after if level.logits is None else level.logits
        mean = torch.zeros((), device=whole.arch.mean.device)
    arch = _LayerArch(level.down, level.up, after, mean)
    features = int(torch.Size(_shape(whole, number)).numel())
    bottleneck = whole.bottleneck if innermost else features_as_code(features)
    preparation = whole.preparation if outermost else Unchanged()
    return Autoencoder(Composition(arch, bottleneck, whole.corruption, loss, {}, 0.0), facts, preparation)


@torch.no_grad()
def _shape(whole: Autoencoder, number: int) -> tuple[int, ...]:
    """Return the shape of one sample's h_number, as a blank sample has it."""
    like = next(whole.arch.parameters())
    h = torch.zeros(2, *whole.facts.shape, dtype=like.dtype, device=like.device)
    was = whole.training
    whole.eval()
    for level in whole.arch.levels[:number]:
        h = level.down(h)
    whole.train(was)
    return tuple(h.shape[1:])
