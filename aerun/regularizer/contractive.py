"""The contractive penalty: how much the code moves when the input does."""

import torch
from torch import Tensor

from aerun.core.checks import at_least, one_of
from aerun.core.errors import AerunError
from aerun.parts import Regularizer
from aerun.vocabulary import Function, wide


class Contractive(Regularizer):
    """Omega_i = ||J(x_i)||_F^2 = sum_j sum_d (dz_j / dx_d)^2, J (d, D) the encoder's Jacobian at what it saw; (B,).

    closed      one affine layer and a unit-by-unit code: sum_j slope_ij^2 ||W_j||^2. Exact, the cheapest.
    projection  mean over `probes` of ||J^T v||^2, v random signs: unbiased, one backward pass each (Hutchinson 1989,
                https://doi.org/10.1080/03610918908812806).
    exact       all rows by batched backward passes: the oracle, d backward passes dear.
    auto        closed where it is possible, else projection.

    A step with it costs, over the plain step (scripts/benchmark.py, MNIST shapes, code 32, two CPU cores): closed 1.2, one
    projection 1.5 (one layer) or 1.3 (512-256), exact 9.7. The pass of the objective is differentiated itself where its
    code is deterministic.

    higher_order: gamma > 0 adds gamma * ||J(x_i) - J(x_i + eps)||_F^2, eps ~ N(0, sigma^2 I) drawn at every call: how much
    the Jacobian itself moves nearby. `exact` takes both Jacobians whole, `projection` sends the same v through both, and so
    does `closed` for this term (its first stays exact). Twice the passes.

    A linear encoder makes it weight decay. Untied, the penalty can be lowered by a small encoder and a large decoder:
    prefer model.arch.tied=true. Needs an encoder that treats samples one by one: no batch norm.
    Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf; higher order: Rifai et al. 2011b, ECML PKDD,
    https://doi.org/10.1007/978-3-642-23783-6_41
    """

    shrinks_code = True

    def __init__(self, *, method: str, probes: int, higher_order: float, sigma: float) -> None:
        super().__init__()
        self.method = one_of("reg.terms.contractive.method", method, ("auto", "closed", "projection", "exact"))
        if probes < 1:
            raise AerunError(f"reg.terms.contractive.probes={probes}: must be at least 1.")
        self.probes = probes
        self.higher_order = at_least("reg.terms.contractive.higher_order", higher_order, 0)
        self.sigma = at_least("reg.terms.contractive.sigma", sigma, 0)
        if sigma == 0:
            raise AerunError(
                "reg.terms.contractive.sigma=0: without noise the two Jacobians are one. Use higher_order=0 to leave it out."
            )

    def forward(
        self, x_in: Tensor, z: Tensor, encode: Function, encoder_weights: list[Tensor], slope: Tensor | None = None
    ) -> Tensor:
        closed = None
        if slope is not None and self.method in ("auto", "closed") and _one_affine(encoder_weights, slope, x_in):
            closed = wide(slope).square() @ wide(encoder_weights[0]).square().sum(1)
        if closed is None and self.method == "closed":
            raise AerunError(
                "reg.terms.contractive.method=closed needs one affine encoder layer (model/arch=linear) and a unit-by-unit "
                "code. Use method=projection or exact."
            )
        self.differentiates_input = closed is None  # known from the first pass, the dry run, on
        if closed is not None and self.higher_order == 0:
            return closed
        with torch.enable_grad():
            has_graph = slope is not None and z.requires_grad and x_in.requires_grad  # then z is the code of x_in itself
            points = [(z, x_in) if has_graph else _point(x_in.detach(), encode)]
            if self.higher_order > 0:
                points.append(_point(x_in.detach() + self.sigma * torch.randn_like(x_in), encode))
            norms = _exact(points) if self.method == "exact" else _projected(points, self.probes)
        first = norms[0] if closed is None else closed
        return first + self.higher_order * norms[1] if self.higher_order > 0 else first


def _point(x: Tensor, encode: Function) -> tuple[Tensor, Tensor]:
    """Return (encode(x), x) with a graph between them."""
    x = x.requires_grad_()
    return encode(x), x


def _one_affine(encoder_weights: list[Tensor], slope: Tensor, x_in: Tensor) -> bool:
    """Return whether the encoder is one matrix from the whole input to the units, and nothing else."""
    return len(encoder_weights) == 1 and encoder_weights[0].shape == (slope[0].numel(), x_in[0].numel())


def _exact(points: list[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Return ||J||_F^2 of the first point, and of the difference from the second where there is one; (B,) each."""
    jacobians: list[Tensor] = []
    for z, x in points:
        elements = z[0].numel()
        rows = torch.eye(elements, dtype=z.dtype, device=z.device).reshape(elements, 1, *z.shape[1:]).expand(-1, *z.shape)
        jacobians += torch.autograd.grad(z, x, rows, create_graph=True, is_grads_batched=True)  # (elements, B, *S)
    return [jacobian.flatten(2).square().sum((0, 2)) for jacobian in _and_difference(jacobians)]


def _projected(points: list[tuple[Tensor, Tensor]], probes: int) -> list[Tensor]:
    """Return unbiased estimates of what `_exact` returns.

    They are means of ||J^T v||^2 over random signs v, the same for both points.
    """
    code = points[0][0]
    totals = [code.new_zeros(len(code)) for _ in points]
    for _ in range(probes):
        signs = torch.randint_like(code, 2) * 2 - 1
        products = [torch.autograd.grad(z, x, signs, create_graph=True)[0] for z, x in points]
        totals = [t + row.flatten(1).square().sum(1) for t, row in zip(totals, _and_difference(products), strict=True)]
    return [t / probes for t in totals]


def _and_difference(jacobians: list[Tensor]) -> list[Tensor]:
    return [jacobians[0], *(jacobians[0] - other for other in jacobians[1:])]
