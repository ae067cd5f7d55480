"""The gradient penalty of the decoder: how much the reconstruction moves when the code does."""

import torch
from torch import Tensor

from aerun.core.checks import integer, one_of
from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide


class DecoderGradient(Regularizer):
    """Omega_i = ||J(z_i)||_F^2 = sum_d sum_j (dx_hat_d / dz_j)^2, J (D, d) the decoder's Jacobian at the code; (B,).

    projection  mean over `probes` of ||J^T v||^2, v random signs: unbiased, one backward pass each, through the pass of the
                objective where that has a graph.
    exact       all d columns, by as many passes through the decoder.

    This is what the paper writes, the decoder's own gradient at the code. It is neither (d sum(x_hat^2) / dz)^2, which stands
    in its authors' code, nor ||J^T 1||^2 of the whole model by its input. Of a linear decoder it is ||W||_F^2, weight decay.
    By itself it is met by a large code and a small decoder: use it beside l2 on the code. With relu it is the same all around
    a code, so that it reaches the encoder only where activations are smooth.
    Ghosh et al. 2020, https://arxiv.org/abs/1903.12436; projections: Hutchinson 1989,
    https://doi.org/10.1080/03610918908812806. Raises AerunError for fewer than one probe.
    """

    differentiates_decoder = True

    def __init__(self, *, method: str, probes: int) -> None:
        super().__init__()
        self.method = one_of("reg.terms.decoder_gradient.method", method, ("projection", "exact"))
        self.probes = integer("reg.terms.decoder_gradient.probes", probes, 1)

    def forward(self, z: Tensor, x_hat: Tensor, decode: Function) -> Tensor:
        if z.requires_grad and x_hat.requires_grad:
            found = self._norm(z, x_hat)
            if found is not None:
                return found
        with torch.enable_grad():  # the pass has no graph between them, as in validation
            point = z if z.requires_grad else z.detach().requires_grad_()
            norm = self._norm(point, decode(point))
        return z.new_zeros(len(z)) if norm is None else norm  # a decoder that does not look at the code

    def _norm(self, z: Tensor, x_hat: Tensor) -> Tensor | None:
        """Return ||J||_F^2 of each sample, or None where no graph leads from z to x_hat."""
        if self.method == "exact":
            return _exact(z, x_hat)
        rows = [_row(z, x_hat, torch.randint_like(x_hat, 2) * 2 - 1) for _ in range(self.probes)]
        norms = [wide(row).flatten(1).square().sum(1) for row in rows if row is not None]
        return torch.stack(norms).mean(0) if norms else None


def _row(z: Tensor, x_hat: Tensor, v: Tensor) -> Tensor | None:
    """Return J^T v, as z."""
    row: Tensor | None = torch.autograd.grad(x_hat, z, v, create_graph=True, allow_unused=True)[0]
    return row


def _exact(z: Tensor, x_hat: Tensor) -> Tensor | None:
    """Return ||J||_F^2 from the columns J e_j: the derivative by u of J^T u, which is linear in u."""
    u = torch.zeros_like(x_hat, requires_grad=True)
    row = _row(z, x_hat, u)
    if row is None:
        return None
    elements = z[0].numel()
    units = torch.eye(elements, dtype=z.dtype, device=z.device).reshape(elements, 1, *z.shape[1:]).expand(-1, *z.shape)
    (columns,) = torch.autograd.grad(row, u, units, create_graph=True, is_grads_batched=True)
    return wide(columns).flatten(2).square().sum((0, 2))
