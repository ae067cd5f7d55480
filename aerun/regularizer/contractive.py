"""The contractive penalty: how much the code moves when the input does."""

import torch
from torch import Tensor

from aerun.checks import one_of
from aerun.errors import AerunError
from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide


class Contractive(Regularizer):
    """Omega_i = ||J(x_i)||_F^2 = sum_j sum_d (dz_j / dx_d)^2, J (d, D) the encoder's Jacobian at what it saw; (B,).

    closed      one affine layer and a unit-by-unit code: sum_j slope_ij^2 ||W_j||^2. Exact, the cheapest.
    projection  mean over `probes` of ||J^T v||^2, v random signs: unbiased, one backward pass each (Hutchinson 1989,
                https://doi.org/10.1080/03610918908812806).
    exact       all d rows by batched backward passes: the oracle, d backward passes dear.
    auto        closed where it is possible, else projection.

    A step with it costs, over the plain step (scripts/benchmark.py, MNIST shapes, code 32, two CPU cores): closed 1.2, one
    projection 1.8 (one layer) or 2.0 (512-256), exact 12.

    A linear encoder makes it weight decay. Untied, the penalty can be lowered by a small encoder and a large decoder:
    prefer model.arch.tied=true. Needs an encoder that treats samples one by one: no batch norm.
    Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf
    """

    shrinks_code = True

    def __init__(self, *, method: str, probes: int) -> None:
        super().__init__()
        self.method = one_of("reg.terms.contractive.method", method, ("auto", "closed", "projection", "exact"))
        if probes < 1:
            raise AerunError(f"reg.terms.contractive.probes={probes}: must be at least 1.")
        self.probes = probes

    def forward(self, x_in: Tensor, encode: Function, encoder_weights: list[Tensor], slope: Tensor | None = None) -> Tensor:
        one_layer = len(encoder_weights) == 1
        if slope is not None and one_layer and self.method in ("auto", "closed"):
            return wide(slope).square() @ wide(encoder_weights[0]).square().sum(1)
        if self.method == "closed":
            raise AerunError(
                "reg.terms.contractive.method=closed needs one affine encoder layer (model/arch=linear) and a unit-by-unit "
                "code. Use method=projection or exact."
            )
        with torch.enable_grad():
            x = x_in.detach().requires_grad_()
            z = encode(x)
            return _exact(z, x) if self.method == "exact" else _projected(z, x, self.probes)


def _exact(z: Tensor, x: Tensor) -> Tensor:
    rows = torch.eye(z.shape[1], dtype=z.dtype, device=z.device)[:, None].expand(-1, *z.shape)
    (jacobian,) = torch.autograd.grad(z, x, rows, create_graph=True, is_grads_batched=True)  # (d, B, *S)
    return jacobian.flatten(2).square().sum((0, 2))


def _projected(z: Tensor, x: Tensor, probes: int) -> Tensor:
    total = z.new_zeros(z.shape[0])
    for _ in range(probes):
        signs = torch.randint_like(z, 2) * 2 - 1
        (row,) = torch.autograd.grad(z, x, signs, create_graph=True)
        total = total + row.flatten(1).square().sum(1)
    return total / probes
