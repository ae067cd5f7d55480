"""Floating-point operations of a training step: those of the objective as it is computed, forwards and backwards.

An affine layer of B rows takes 2 B in out forwards, as much for the gradient of its weights, and as much for that of its input
where something below learns; a convolution the same times its places, an attention head 4 B L^2 d forwards. Additions of biases
and functions of single elements are not counted.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from aerun.autoencoder import Autoencoder


def _recurrent(passes: int) -> Callable[..., int]:
    """Return what counts a layer of the CPU's own LSTM: its two matrices at every step, so many times."""

    def count(x: Any, w1: Any, w2: Any, *more: Any, out_shape: Any = None, **settings: Any) -> int:
        return passes * 2 * int(x[0] * x[1]) * int(w1[0] * w1[1] + w2[0] * w2[1])

    return count


_OWN = {  # which torch counts as nothing
    torch.ops.aten.mkldnn_rnn_layer: _recurrent(1),
    torch.ops.aten.mkldnn_rnn_layer_backward: _recurrent(2),
}


def step_flop(autoencoder: Autoencoder, stored: Tensor) -> float:
    """Return the FLOP of one step on stored samples (B, *S); gradients are left as they were, and so are random numbers."""
    before = [p.grad for p in autoencoder.parameters()]
    with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False, custom_mapping=_OWN) as counter:
        x, valid = autoencoder.units(stored), autoencoder.facts.valid(stored)
        value = autoencoder.objective(x, 0.5, valid, autoencoder.offered_seen(stored), c=autoencoder.known(stored))
        value.loss.backward()
        value.names.clear()
    for p, grad in zip(autoencoder.parameters(), before, strict=True):
        p.grad = grad
    return float(counter.get_total_flops())
