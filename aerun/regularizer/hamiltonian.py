"""Codes that are moved along the forces of the true posterior before they are decoded: the Hamiltonian bound."""

from itertools import pairwise

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import at_least, integer, within
from aerun.parts import Regularizer
from aerun.regularizer.log_ratio import log_density
from aerun.vocabulary import Function, wide

_FEWEST = 1  # steps: without any the term is kl at the draw
_HOTTEST = 1e-4  # least `temper`: momenta of a hundred times their usual length


class Hamiltonian(Regularizer):
    """Omega_i = U(z_K) + log q(z_0|x_i) + (||p_K||^2 - ||g||^2) / 2 - reconstruction_i, U(z) = loss(z) - log p(z); (B,).

    z_0 is the code of the pass, g ~ N(0, I), and (z_K, p_K) where K = `steps` leapfrog steps of `size` e lead from z_0 and the
    momentum p_0 = g / b_0: p' = p - e/2 dU(z); z' = z + e p'; p'' = p' - e/2 dU(z'), after which p is multiplied by
    b_(k-1) / b_k, 1 / b_k = 1 / b_0 + (1 - 1 / b_0) (k / K)^2, b_0^2 = `temper`. A step keeps volume, and what tempering does
    to it stands in p_0's density too, so that with reg.lambda = 1 the objective is a bound on -log p(x_i) for whatever e: that
    of codes which were moved to where they are likelier. Use it in place of kl. In training
    gradients go through the steps, by second derivatives of the decoder.

    size: should be well below the width of posteriors, or the steps run away. temper: in (0, 1]; 1: steps that are not tempered
    keep the energy, and the bound is next to that of kl whatever they do.
    Codes of use, and figures of the test, are those of the encoder alone: nothing is moved there.
    The reconstruction must be a negative log-likelihood in nats, as for iwae.

    Caterini, Doucet & Sejdinovic 2018, https://arxiv.org/abs/1805.11328, where step and tempering are learned.
    Raises AerunError for fewer than one step, a negative size and a tempering outside (0, 1].
    """

    differentiates_decoder = True
    moves_codes = True

    def __init__(self, *, steps: int, size: float, temper: float) -> None:
        super().__init__()
        self.steps = integer("reg.terms.hamiltonian.steps", steps, _FEWEST)
        self.size = at_least("reg.terms.hamiltonian.size", size, 0)
        self.temper = within("reg.terms.hamiltonian.temper", temper, _HOTTEST, 1)
        start = self.temper**-0.5
        self.heats = [start + (1 - start) * (k / max(1, steps)) ** 2 for k in range(steps + 1)]  # 1 / b_k

    def forward(
        self, z: Tensor, posterior: Distribution, prior: Distribution, reconstruction: Tensor, judge: Function
    ) -> Tensor:
        own, log_q = wide(reconstruction), log_density(posterior, z)
        if self.steps == 0:
            return log_q - log_density(prior, z)
        learning = torch.is_grad_enabled()
        start = torch.randn_like(wide(z))
        momentum = start * self.heats[0]
        with torch.enable_grad():
            # The pass has decoded its code already, where a graph leads from it to the loss.
            known = own if learning and z.requires_grad and own.requires_grad else None
            point = z if known is not None else z.detach().requires_grad_()
            potential, force = _potential(point, known, prior, judge, learning)
            for before, after in pairwise(self.heats):
                momentum = momentum - self.size / 2 * force
                point = point + self.size * momentum
                point = point if learning else point.detach().requires_grad_()
                potential, force = _potential(point, None, prior, judge, learning)
                momentum = (momentum - self.size / 2 * force) * (after / before)
        return potential + log_q + _energy(momentum) - _energy(start) - own


def _potential(z: Tensor, known: Tensor | None, prior: Distribution, judge: Function, learning: bool) -> tuple[Tensor, Tensor]:
    """Return U(z), (B,), and dU / dz, as z; known: its loss; learning: with a graph."""
    loss = wide(judge(z))[0] if known is None else known
    potential = loss - log_density(prior, z)
    (force,) = torch.autograd.grad(potential.sum(), z, create_graph=learning)
    return (potential, force) if learning else (potential.detach(), force)


def _energy(momentum: Tensor) -> Tensor:
    """Return ||p||^2 / 2, (B,)."""
    return momentum.square().flatten(1).sum(1) / 2
