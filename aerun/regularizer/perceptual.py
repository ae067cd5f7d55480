"""Reconstructions with the features of their samples: the feature-consistent loss."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from aerun.core.checks import integer
from aerun.core.errors import AerunError
from aerun.core.seeding import own_draws
from aerun.parts import Regularizer
from aerun.regularizer.patches import Patches, distance, real
from aerun.regularizer.stack import Stack
from aerun.vocabulary import wide

_HIDDEN, _DRAW = (32, 64), 0  # of the random network, where nothing is asked


class Perceptual(Regularizer):
    """Omega_i = D sum_l ||F_l(x_i) - F_l(x_hat_i)||^2 / n_l, F_l the n_l numbers of hidden layer l of a fixed network; (B,).

    D is the number of elements of a sample, so that the term stands beside a summed squared error. Training never moves F, and
    a checkpoint holds it.
    features: what F is. random: convolutions of random weights, the same for the same `draw`: its features are edges and
    textures of many kinds, at several sizes, without anything being downloaded and without a network that has seen other data
    (Ustyuzhaninov et al. 2016, https://arxiv.org/abs/1606.00021). The folder of a run of aerun: the hidden layers of its
    encoder, which is one of model/arch=mlp or conv on samples of the same shape and range; x is read as this run prepares it.
    A file: weights of torchvision's vgg11, vgg13, vgg16 or vgg19, each also with _bn, on a disk here, for images between known
    bounds, which are brought to the mean and deviation that these networks were trained on. Nothing is downloaded.
    network: the layers of that run or file in words, which aerun fills in. With them and its checkpoint a run can be loaded
    and resumed wherever the other is by then: it is read when training begins, and never again.
    The paper takes a network that was trained on photographs, and leaves the pixel loss out.
    Hou et al. 2017, https://arxiv.org/abs/1610.00291. Raises AerunError for text, senseless settings, settings of the random
    network beside another, and a loss of hidden elements alone.
    """

    judges_whole = True
    borrows = True

    def __init__(
        self,
        *,
        hidden: Sequence[int],
        draw: int,
        features: str,
        network: Sequence[str] | None,
        shape: tuple[int, ...],
        kind: str,
    ) -> None:
        super().__init__()
        self.size = int(torch.Size(shape).numel())
        seed = integer("reg.terms.perceptual.draw", draw, 0)
        self.network: nn.Module
        if features == "random":
            if network is not None:
                raise AerunError("reg.terms.perceptual.network: is filled in by aerun where features is a RUN or a FILE.")
            self.network = _random(shape, kind, hidden, seed)
            return
        if (tuple(hidden), seed) != (_HIDDEN, _DRAW):
            raise AerunError(f"reg.terms.perceptual.features={features}: `hidden` and `draw` are of features=random.")
        if network is None:
            raise AerunError(f"reg.terms.perceptual.features={features}: its network is missing in this config.")
        self.network = Stack(network)

    def borrow(self, weights: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(weights)

    def _features(self, x: Tensor) -> list[Tensor]:
        found = self.network(x)
        features: list[Tensor] = found[0] if isinstance(self.network, Patches) else found
        return features

    def forward(self, x: Tensor, x_hat: Tensor, valid: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            truth = self._features(real(x, valid))
        found = self._features(real(x_hat, valid))
        return distance([wide(f) for f in found], [wide(f) for f in truth], self.size)


def _random(shape: tuple[int, ...], kind: str, hidden: Sequence[int], seed: int) -> Patches:
    with own_draws(seed):
        network = Patches("perceptual", shape, kind, hidden)
        for weight in (p for p in network.layers.parameters() if p.ndim > 1):
            torch.nn.init.kaiming_normal_(weight, a=0.2)
    return network.requires_grad_(False)
