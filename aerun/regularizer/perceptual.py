"""Reconstructions with the features of their samples: the feature-consistent loss."""

from collections.abc import Sequence

import torch
from torch import Tensor

from aerun.core.checks import integer
from aerun.parts import Regularizer
from aerun.regularizer.patches import Patches, distance, real
from aerun.vocabulary import wide


class Perceptual(Regularizer):
    """Omega_i = D sum_l ||F_l(x_i) - F_l(x_hat_i)||^2 / n_l, F_l the n_l numbers of hidden layer l of a fixed network; (B,).

    D is the number of elements of a sample, so that the term stands beside a summed squared error. F has random weights, the
    same for the same `draw`, which training never moves and a checkpoint holds: its features are edges and textures of many
    kinds, at several sizes, without anything being downloaded and without a network that has seen other data. The paper takes
    one trained on photographs, and leaves the pixel loss out.
    Hou et al. 2017, https://arxiv.org/abs/1610.00291; random features: Ustyuzhaninov et al. 2016,
    https://arxiv.org/abs/1606.00021. Raises AerunError for text, senseless settings, and a loss of hidden elements alone.
    """

    judges_whole = True

    def __init__(self, *, hidden: Sequence[int], draw: int, shape: tuple[int, ...], kind: str) -> None:
        super().__init__()
        self.size = int(torch.Size(shape).numel())
        seed = integer("reg.terms.perceptual.draw", draw, 0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = Patches("perceptual", shape, kind, hidden)
            for weight in (p for p in self.network.layers.parameters() if p.ndim > 1):
                torch.nn.init.kaiming_normal_(weight, a=0.2)
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)

    def forward(self, x: Tensor, x_hat: Tensor, valid: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            truth = self.network(real(x, valid))[0]
        found = self.network(real(x_hat, valid))[0]
        return distance([wide(f) for f in found], [wide(f) for f in truth], self.size)
