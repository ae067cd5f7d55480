"""What a reconstruction costs the network that goes on from it: the divergence of its answers, end to end."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.model.arch.layers import ACTIVATIONS
from aerun.parts import Regularizer
from aerun.regularizer.stack import Stack
from aerun.vocabulary import Function, wide


class Downstream(Regularizer):
    """Omega_i = KL(softmax f(x_i) || softmax f(x_hat_i)) in nats, f the layers behind the activations, never trained; (B,).

    f reads activations in their own units, whatever `dataset.prepare` makes of them, and ends in logits. Alone it has a null
    space: what f does not read may be anything. It stands beside the squared error, here as 10 to 1 (Braun et al. 2024,
    https://arxiv.org/abs/2405.12241).
    features: a file of f's weights, the state_dict of a torch Sequential of affine maps (0.weight, 0.bias, 2.weight, ...), of
    which only tensors are read; between maps whose numbers are not one behind the other is `activation`. network: these layers
    in words, which aerun fills in, so that a run can be loaded and resumed without the file. Raises AerunError without one.
    """

    judges_whole = True
    borrows = True
    borrowed_as = "head"

    def __init__(self, *, features: str | None, activation: str, network: Sequence[str] | None, source: int = 0) -> None:
        super().__init__()
        one_of("reg.terms.downstream.activation", activation, tuple(ACTIVATIONS))
        if features is None or network is None:
            raise AerunError(
                "regularizer=downstream needs the layers behind the activations: reg.terms.downstream.features=FILE, the "
                "state_dict of a torch Sequential of affine maps that ends in logits."
            )
        self.network, self.source = Stack(network), source
        self.classes = int(network[-2].split()[-1]) if len(network) > 1 else 0

    def borrow(self, weights: Mapping[str, Tensor]) -> None:
        self.network.load_state_dict(weights)

    def logits(self, activations: Tensor) -> Tensor:
        """Return what the layers say of activations in their own units (B, D): log softmax, (B, classes)."""
        return log_softmax(wide(self.network(activations)[-1]), dim=1)

    def forward(self, x: Tensor, x_hat: Tensor, own: Function) -> Tensor:
        with torch.no_grad():
            truth = self.logits(own(x)[:, self.source :])
        found = self.logits(own(x_hat)[:, self.source :])
        return (truth.exp() * (truth - found)).sum(1)
