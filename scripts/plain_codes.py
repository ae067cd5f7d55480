"""Random codes written plainly, for `step_costs.py`: features h (B, F) to a draw and its divergence from the prior (B,)."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Beta, Gamma
from torch.nn.functional import linear, logsigmoid, normalize, softplus

Drawn = tuple[Tensor, Tensor]


def moments(h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean, log variance and scale."""
    mu, lv = h.chunk(2, 1)
    lv = lv.clamp(-10, 10)
    return mu, lv, (lv / 2).exp()


def full(code: Any, h: Tensor) -> Drawn:
    """N(mu, L L^T) against N(0, I)."""
    d = code.latent_dim
    mu, lv, s = moments(h[:, : 2 * d])
    lower = h.new_zeros(len(h), d, d)
    rows, columns = torch.tril_indices(d, d, -1)
    lower[:, rows, columns] = h[:, 2 * d :]
    lower = lower + torch.diag_embed(s)
    z = mu + (lower @ torch.randn_like(s)[..., None])[..., 0]
    return z, (lower.square().sum((1, 2)) + mu.square().sum(1) - d - lv.sum(1)) / 2


def planar(code: Any, h: Tensor) -> Drawn:
    """Eight planar steps, at the draw."""
    d = code.latent_dim
    mu, lv, s = moments(h[:, : 2 * d])
    eps = torch.randn_like(s)
    z, log_det = mu + s * eps, h.new_zeros(len(h))
    for step in h[:, 2 * d :].unflatten(1, (code.steps, -1)).unbind(1):
        u, w, b = step[:, :d], step[:, d:-1], step[:, -1]
        along = (w * u).sum(1)
        share = softplus(along + math.log(math.e - 1))
        u = u + ((share - 1 - along) / w.square().sum(1))[:, None] * w
        t = torch.tanh((w * z).sum(1) + b)
        z, log_det = z + u * t[:, None], log_det + (t.square() + (1 - t.square()) * share).log()
    return z, (z.square() - eps.square() - lv).sum(1) / 2 - log_det


def iaf(code: Any, h: Tensor) -> Drawn:
    """Two autoregressive steps, at the draw."""
    d = code.latent_dim
    mu, lv, s = moments(h[:, : 2 * d])
    eps = torch.randn_like(s)
    z, log_det = mu + s * eps, h.new_zeros(len(h))
    for g in code.gates:
        hidden = linear(z, g.first.weight * g.into, g.first.bias) + linear(h[:, 2 * d :], g.context.weight, g.context.bias)
        m, gate = linear(hidden.relu(), g.last.weight * g.out, g.last.bias).chunk(2, 1)
        log_s = logsigmoid(gate + 1.5)
        z, log_det = m + log_s.exp() * (z - m), log_det + log_s.sum(1)
    return z, (z.square() - eps.square() - lv).sum(1) / 2 - log_det


def sphere(code: Any, h: Tensor) -> Drawn:
    """Power spherical against uniform."""
    d = code.latent_dim
    mu, k, b = normalize(h[:, :d], dim=1), softplus(h[:, d]) + 1, (d - 1) / 2
    a = b + k
    t = 2 * Beta(a, torch.full_like(a, b), validate_args=False).rsample()[:, None] - 1
    y = torch.cat([t, (1 - t.square()).sqrt() * normalize(torch.randn(len(h), d - 1), dim=1)], 1)
    axis = torch.cat([1 - mu[:, :1], -mu[:, 1:]], 1)
    z = y - 2 * (axis * y).sum(1, keepdim=True) / axis.square().sum(1, keepdim=True) * axis
    log_c = -((a + b) * math.log(2) + b * math.log(math.pi) + torch.lgamma(a) - torch.lgamma(a + b))
    area = math.log(2) + d / 2 * math.log(math.pi) - math.lgamma(d / 2)
    return z, log_c + k * (math.log(2) + torch.digamma(a) - torch.digamma(a + b)) + area


def gamma(code: Any, h: Tensor) -> Drawn:
    """Gamma units against Gamma(2, 1)."""
    m, log_a = h.chunk(2, 1)
    m, a = 2 / math.log(2) * softplus(m) + 1e-6, 2 * log_a.clamp(-3, 8).exp()
    psi, log_b = torch.digamma(a), a.log() - m.log()
    kl = (a - 2) * psi - torch.lgamma(a) + 2 * log_b + m - a
    return Gamma(a, a / m, validate_args=False).rsample(), kl.sum(1)


def ball(code: Any, h: Tensor) -> Drawn:
    """Hyperbolic space at the draw, which is handed on as the vector of the middle that leads to it."""
    mu, lv, s = moments(h)
    d, mu, s, lv = code.latent_dim, mu.double(), s.double(), lv.double()
    r0 = mu.square().sum(1, keepdim=True).sqrt()
    x = torch.tanh(r0.clamp_max(8) / 2) / r0 * mu
    eps = torch.randn_like(h[:, :d]).double()
    u = s * eps
    r = u.square().sum(1, keepdim=True).sqrt()
    y = torch.tanh(r / 2) / r * u
    xy, xx, yy = (x * y).sum(1, keepdim=True), x.square().sum(1, keepdim=True), y.square().sum(1, keepdim=True)
    z = ((1 + 2 * xy + yy) * x + (1 - xx) * y) / (1 + 2 * xy + xx * yy)
    size = z.square().sum(1, keepdim=True).sqrt()
    t = torch.log1p(size) - torch.log1p(-size)
    growth = [v + torch.log(-torch.expm1(-2 * v)) - v.log() for v in (t[:, 0], r[:, 0])]
    kl = (t[:, 0].square() - (eps.square() + lv).sum(1)) / 2 + (d - 1) * (growth[0] - growth[1])
    return (t / size * z).to(h.dtype), kl.to(h.dtype)


def ladder(code: Any, h: Tensor) -> Drawn:
    """Two levels."""
    first = 2 * code.widths[0]
    m, lv, _ = moments(h[:, :first])
    t = linear(h[:, first:], code.up[0][0].weight, code.up[0][0].bias).relu()
    mu2, lv2, s2 = moments(linear(t, code.evidence[0].weight, code.evidence[0].bias))
    top = mu2 + s2 * torch.randn_like(s2)
    net = code.down[0]
    mp, lp, _ = moments(linear(linear(top, net[0].weight, net[0].bias).relu(), net[2].weight, net[2].bias))
    evidence, own = (-lv).exp(), (-lp).exp()
    v = 1 / (evidence + own)
    mu = v * (m * evidence + mp * own)
    z = mu + v.sqrt() * torch.randn_like(mu)
    kl = (mu2.square() + s2.square() - lv2 - 1).sum(1) / 2 + ((v + (mu - mp).square()) / lp.exp() - 1 - v.log() + lp).sum(1) / 2
    return torch.cat([z, top], 1), kl


CODES: dict[str, tuple[list[str], Callable[[Any, Tensor], Drawn]]] = {
    "full posterior": (["model.bottleneck.posterior=full"], full),
    "planar posterior": (["model.bottleneck.posterior=planar"], planar),
    "iaf posterior": (["model.bottleneck.posterior=iaf"], iaf),
    "gamma posterior": (["model.bottleneck.posterior=gamma"], gamma),
    "sphere": (["model/bottleneck=sphere"], sphere),
    "ball": (["model/bottleneck=ball"], ball),
    "ladder": (["model/bottleneck=ladder"], ladder),
}
