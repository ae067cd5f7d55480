"""What a step of each part costs beside the same arithmetic written plainly: `python scripts/step_costs.py [NAME ...]`.

A step is the objective of one batch and its gradients. The plain one is a function of tensors without modules, vocabulary or
checks that does the same on the same weights; their losses must agree on average, or the comparison is refused. Both take
turns in one process, and the median of the ratios of their seconds is told. Only ratios mean anything.
"""

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from plain_codes import CODES, Drawn
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, linear, softplus

from aerun.autoencoder import Autoencoder
from aerun.build import build
from aerun.core.paths import config_dir

BATCH, ROUNDS, STEPS, MOST = 128, 15, 20, 1.15
COMMON = ["model=vae", "model.arch.hidden=[512,256]", "model.latent_dim=16", "model/arch=mlp"]
Plain = Callable[[Autoencoder, Tensor, Tensor | None], Tensor]
HALF_LOG = math.log(2 * math.pi) / 2


def affine(model: Autoencoder, part: str, x: Tensor) -> Tensor:
    """Return x through the affine maps of encoder or decoder, relu between them."""
    maps = [m for m in getattr(model.arch, part).modules() if isinstance(m, torch.nn.Linear)]
    for m in maps[:-1]:
        x = linear(x, m.weight, m.bias).relu()
    return linear(x, maps[-1].weight, maps[-1].bias)


def coded(model: Autoencoder, x: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the binary cross-entropy of a draw (B,), the draw, and mean and log variance of its posterior."""
    flat, known = x.flatten(1), [] if c is None else [c]
    mu, lv = affine(model, "encoder", torch.cat([flat - model.arch.mean.flatten(), *known], 1)).chunk(2, 1)
    lv = lv.clamp(-10, 10)
    z = mu + (lv / 2).exp() * torch.randn_like(mu)
    raw = affine(model, "decoder", torch.cat([*known, z], 1))
    return bce_of(raw, flat), z, mu, lv


def bce_of(raw: Tensor, flat: Tensor) -> Tensor:
    """Return the binary cross-entropy of each sample, (B,)."""
    return binary_cross_entropy_with_logits(raw, flat, reduction="none").sum(1)


def judged(element: Callable[[Autoencoder, Tensor, Tensor], Tensor]) -> Plain:
    """Return the negative ELBO with another loss of elements: raw and x (B, D) to (B, D)."""

    def loss(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
        flat = x.flatten(1)
        mu, lv = affine(model, "encoder", flat - model.arch.mean.flatten()).chunk(2, 1)
        lv = lv.clamp(-10, 10)
        raw = affine(model, "decoder", mu + (lv / 2).exp() * torch.randn_like(mu))
        return (element(model, raw, flat).sum(1) + (mu.square() + lv.exp() - lv - 1).sum(1) / 2).mean()

    return loss


def log_cosh(model: Autoencoder, raw: Tensor, x: Tensor) -> Tensor:
    """Return log cosh(10 r) / 10 where nothing overflows."""
    size = (raw - x).abs()
    return size + (softplus(-20 * size) - math.log(2)) / 10


def student_t(model: Autoencoder, raw: Tensor, x: Tensor) -> Tensor:
    """Return -log of Student's t with 4 degrees of freedom, its scale moved to the batch's before."""
    square, sigma = (raw - x).square(), model.loss.sigma
    with torch.no_grad():
        best = (5 / (4 + square / sigma.square()) * square).mean().sqrt()  # type: ignore[operator]
        sigma.add_(0.1 * (best - sigma))  # type: ignore[operator]
    constant = math.lgamma(2) - math.lgamma(2.5) + math.log(4 * math.pi) / 2 + sigma.log()  # type: ignore[operator]
    return constant + 2.5 * torch.log1p(square / (4 * sigma.square()))  # type: ignore[operator]


def logistic(model: Autoencoder, raw: Tensor, x: Tensor) -> Tensor:
    """Return -log of the mass of a level of the digits' 17, the scale moved to the batch's before."""
    half, sigma = 0.5 / 16, model.loss.sigma
    r = x - raw.sigmoid()
    with torch.no_grad():
        best = (r.abs() * torch.tanh(r.abs() / (2 * sigma))).mean()  # type: ignore[operator]
        sigma.add_(0.1 * (best - sigma))  # type: ignore[operator]
    high, low = x > 1 - half, x < half
    ends = softplus(-(r + half) / sigma).masked_fill(high, 0) + softplus((r - half) / sigma).masked_fill(low, 0)
    return ends - torch.log(-torch.expm1(-2 * half / sigma)) * ~(high | low)  # type: ignore[operator]


def beside(term: Callable[[Autoencoder, Tensor, Tensor, Tensor], Tensor]) -> Plain:
    """Return the negative ELBO and a term of the draw and of mean and log variance of its posterior."""

    def loss(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
        bce, z, mu, lv = coded(model, x, c)
        return (bce + (mu.square() + lv.exp() - lv - 1).sum(1) / 2).mean() + term(model, z, mu, lv)

    return loss


def dip(model: Autoencoder, z: Tensor, mu: Tensor, lv: Tensor) -> Tensor:
    """Return the penalty of DIP-VAE II, weights 10."""
    centred = mu - mu.mean(0)
    c = centred.t() @ centred / len(mu) + lv.exp().mean(0).diag()
    return 10 * (c - torch.eye(len(c))).square().sum()


def swae(model: Autoencoder, z: Tensor, mu: Tensor, lv: Tensor) -> Tensor:
    """Return the sliced Wasserstein distance to N(0, I) in 50 directions."""
    t = torch.randn(z.shape[1], 50)
    q = torch.special.ndtri((torch.arange(len(z)) + 0.5) / len(z))[:, None]
    return ((z @ (t / t.norm(dim=0))).sort(0).values - q).square().mean()


def decoder_gradient(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the negative ELBO and the squared norm of the decoder's Jacobian by one projection."""
    flat = x.flatten(1)
    mu, lv = affine(model, "encoder", flat - model.arch.mean.flatten()).chunk(2, 1)
    lv = lv.clamp(-10, 10)
    z = mu + (lv / 2).exp() * torch.randn_like(mu)
    raw = affine(model, "decoder", z)
    x_hat = raw.sigmoid()
    (row,) = torch.autograd.grad(x_hat, z, torch.randint_like(x_hat, 2) * 2 - 1, create_graph=True)
    return (bce_of(raw, flat) + (mu.square() + lv.exp() - lv - 1).sum(1) / 2 + row.square().sum(1)).mean()


def hamiltonian(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the Hamiltonian bound of three tempered leapfrog steps."""
    flat, term = x.flatten(1), model.terms["hamiltonian"].regularizer
    mu, lv = affine(model, "encoder", flat - model.arch.mean.flatten()).chunk(2, 1)
    lv = lv.clamp(-10, 10)
    eps, g = torch.randn_like(mu), torch.randn_like(mu)
    z, hot = mu + (lv / 2).exp() * eps, term.temper**-0.5  # type: ignore[operator]
    e, heats = term.size, [hot + (1 - hot) * (k / 3) ** 2 for k in range(4)]

    def forced(z: Tensor) -> tuple[Tensor, Tensor]:
        u = bce_of(affine(model, "decoder", z), flat) + z.square().sum(1) / 2
        return u, torch.autograd.grad(u.sum(), z, create_graph=True)[0]

    p, (u, force) = g * heats[0], forced(z)
    for before, after in pairwise(heats):
        p = p - e / 2 * force  # type: ignore[operator]
        z = z + e * p  # type: ignore[operator]
        u, force = forced(z)
        p = (p - e / 2 * force) * (after / before)  # type: ignore[operator]
    return (u - (eps.square() + lv).sum(1) / 2 + (p.square() - g.square()).sum(1) / 2).mean()


def bound(groups: int, samples: int, dreg: bool) -> Plain:
    """Return the negative bound of so many groups of codes; dreg: with the doubly reparametrized gradient of the encoder."""

    def loss(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
        flat, count = x.flatten(1), groups * samples
        mu, lv = affine(model, "encoder", flat - model.arch.mean.flatten()).chunk(2, 1)
        lv = lv.clamp(-10, 10)
        z = mu + (lv / 2).exp() * torch.randn(count, *mu.shape)
        m, v = (mu.detach(), lv.detach()) if dreg else (mu, lv)
        raw = affine(model, "decoder", z.flatten(0, 1))
        joint = -bce_of(raw, flat.repeat(count, 1)).reshape(count, -1) - z.square().sum(2) / 2
        log_w = (joint + ((z - m).square() / v.exp() + v).sum(2) / 2).unflatten(0, (groups, samples))
        value = (log_w.logsumexp(1) - math.log(samples)).mean(0)
        if not dreg:
            return -value.mean()
        share = log_w.detach().softmax(1)
        z.register_hook(lambda g: g * share.flatten(0, 1)[..., None])  # w~ in the decoder, w~^2 in the encoder
        moving = (share * log_w).sum(1).mean(0)
        return -(value.detach() + moving - moving.detach()).mean()

    return loss


def vae(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the negative ELBO against N(0, I)."""
    bce, _, mu, lv = coded(model, x, c)
    return (bce + (mu.square() + lv.exp() - lv - 1).sum(1) / 2).mean()


def conditional(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the same against a Gaussian whose mean and log variance are affine in c."""
    bce, _, mu, lv = coded(model, x, c)
    law = model.prior.law  # type: ignore[union-attr]
    m, v = linear(c, law.weight, law.bias).chunk(2, 1)  # type: ignore[arg-type]
    return (bce + ((lv.exp() + (mu - m).square()) / v.exp() + v - lv - 1).sum(1) / 2).mean()


def learned(log_p: Callable[[Autoencoder, Tensor], Tensor]) -> Plain:
    """Return the same against a density without a formula, at the draw."""

    def loss(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
        bce, z, mu, lv = coded(model, x, c)
        log_q = -((z - mu).square() / lv.exp() + lv).sum(1) / 2 - z.shape[1] * HALF_LOG
        return (bce + log_q - log_p(model, z)).mean()

    return loss


def components(z: Tensor, centre: Tensor, log_variance: Tensor, log_weight: Tensor) -> Tensor:
    """Return log sum_k pi_k N(z; m_k, s_k^2)."""
    away = ((z[:, None] - centre).square() / log_variance.exp() + log_variance).sum(2) / 2
    return (log_weight - away - z.shape[1] * HALF_LOG).logsumexp(1)


def mixture(model: Autoencoder, z: Tensor) -> Tensor:
    """Return log p of a mixture of learned Gaussians, from the weights that the prior itself computes its own from."""
    p = model.prior(z)  # type: ignore[misc]
    return components(z, p.centres, 2 * p.scales.log(), p.log_weights)


def vamp(model: Autoencoder, z: Tensor) -> Tensor:
    """Return log p of the posteriors of learned samples."""
    u = model.prior.inputs.clamp(model.facts.low, model.facts.high)  # type: ignore[union-attr]
    mu, lv = affine(model, "encoder", (u - model.arch.mean).flatten(1)).chunk(2, 1)
    return components(z, mu, lv.clamp(-10, 10), z.new_tensor(-math.log(len(u))))


def flow(model: Autoencoder, z: Tensor) -> Tensor:
    """Return log p of a standard normal bent by couplings."""
    total: Tensor | float = 0.0
    for step, net in enumerate(model.prior.couplings.nets):  # type: ignore[union-attr]
        moved = (torch.arange(z.shape[1]) + step) % 2 == 0
        h = z.masked_fill(moved, 0)
        for m in [m for m in net.modules() if isinstance(m, torch.nn.Linear)][:-1]:
            h = linear(h, m.weight, m.bias).relu()
        a, b = linear(h, net[-1].weight, net[-1].bias).chunk(2, 1)
        a = 2 * a.tanh() * moved
        z, total = z * a.exp() + b * moved, total + a.sum(1)
    return total - z.square().sum(1) / 2 - z.shape[1] * HALF_LOG


def of_code(code: Callable[[Any, Tensor], Drawn]) -> Plain:
    """Return the negative ELBO of a code that is written plainly."""

    def loss(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
        flat = x.flatten(1)
        z, kl = code(model.bottleneck, affine(model, "encoder", flat - model.arch.mean.flatten()))
        bce = binary_cross_entropy_with_logits(affine(model, "decoder", z), flat, reduction="none").sum(1)
        return (bce + kl).mean()

    return loss


def errors_of(model: Autoencoder, x: Tensor, z: Tensor) -> Tensor:
    """Return the squared error of the decoded code, (B,)."""
    return (affine(model, "decoder", z) - x.flatten(1)).square().sum(1)


def centred(model: Autoencoder, x: Tensor) -> Tensor:
    """Return the encoder's features."""
    return affine(model, "encoder", x.flatten(1) - model.arch.mean.flatten())


def fsq(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the squared error of a code of 8 levels."""
    reach = 3.5 * 1.001
    bound = torch.tanh(centred(model, x) + math.atanh(0.5 / reach)) * reach - 0.5
    return errors_of(model, x, (bound + (bound.round() - bound).detach()) / 4).mean()


class Residual:
    """Squared error and commitment of four stages of 512 codes, which follow running means and are restarted."""

    def __init__(self) -> None:
        self.state: list[list[Tensor]] = []

    def __call__(self, model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
        b = model.bottleneck
        self.state = self.state or [[t[s].clone() for t in (b.codebook, b.mass, b.idle)] for s in range(4)]  # type: ignore
        h = centred(model, x)
        rest, z, penalty = h.detach(), torch.zeros_like(h), torch.zeros(len(h))
        for e, mass, idle in self.state:
            drawn = rest[torch.randperm(len(rest)).repeat(-(-len(e) // len(rest)))[: len(e)]]
            gone = idle >= 2000
            e.copy_(torch.where(gone[:, None], drawn, e))
            mass.copy_(torch.where(gone, 1, mass))
            idle.copy_(torch.where(gone, 0, idle))
            k = (e.square().sum(1) - 2 * rest @ e.t()).argmin(1)
            own, n = e[k], torch.zeros(len(e)).index_add_(0, k, torch.ones(len(k)))
            sums = torch.zeros_like(e).index_add_(0, k, rest)
            mass.mul_(0.99).add_(n, alpha=0.01)
            e.add_((sums - n[:, None] * e) / mass.clamp_min(1e-6)[:, None], alpha=0.01)
            idle.copy_(torch.where(n > 0, 0, idle + len(h)))
            rest, z = rest - own, z + own
            penalty = penalty + (h - z).square().sum(1)
        return (errors_of(model, x, z + (h - h.detach())) + 0.25 * penalty).mean()


def classes(logits: Tensor, k: int, temperature: float) -> tuple[Tensor, Tensor]:
    """Return one-hot draws with the gradient of soft ones, and their divergence from the uniform law, (B,)."""
    l = logits.unflatten(1, (-1, k)).log_softmax(2)  # noqa: E741
    noisy = l - torch.empty_like(l).exponential_().log()
    soft = (noisy / temperature).softmax(2)
    z = torch.zeros_like(soft).scatter(2, noisy.argmax(2, keepdim=True), 1.0) + soft - soft.detach()
    return z.flatten(1), (l.exp() * (l + math.log(k))).sum((1, 2))


def categorical(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the negative ELBO of a code of classes."""
    z, kl = classes(centred(model, x), 8, 0.75)
    return (binary_cross_entropy_with_logits(affine(model, "decoder", z), x.flatten(1), reduction="none").sum(1) + kl).mean()


def joint(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the same of real numbers beside four classes."""
    mu, lv, logits = centred(model, x).split([12, 12, 4], 1)
    z, kl = classes(logits, 4, 0.75)
    lv = lv.clamp(-10, 10)
    z = torch.cat([mu + (lv / 2).exp() * torch.randn_like(mu), z], 1)
    kl = kl + (mu.square() + lv.exp() - lv - 1).sum(1) / 2
    return (binary_cross_entropy_with_logits(affine(model, "decoder", z), x.flatten(1), reduction="none").sum(1) + kl).mean()


def m2(model: Autoencoder, x: Tensor, c: Tensor | None) -> Tensor:
    """Return the semi-supervised bound, every class in turn for every sample, labelled ones as often as they come."""
    assert c is not None
    mu, lv, logits = centred(model, x).split([12, 12, 10], 1)
    lv, log_q = lv.clamp(-10, 10), logits.log_softmax(1)
    u = mu + (lv / 2).exp() * torch.randn_like(mu)
    kl = (mu.square() + lv.exp() - lv - 1).sum(1) / 2 + math.log(10)
    z = torch.cat([u.expand(10, *u.shape), torch.eye(10)[:, None].expand(-1, len(u), -1)], 2).flatten(0, 1)
    each = bce_of(affine(model, "decoder", z), x.flatten(1).repeat(10, 1)).reshape(10, -1).t() + kl[:, None]
    known, share = c[:, -1] == 0, model.terms["m2"].regularizer.share
    labelled = (c[:, :-1] * (each - 10 / share * log_q)).sum(1)
    return torch.where(known, labelled, (log_q.exp() * (each + log_q)).sum(1)).mean()


FEW = [
    *("model/bottleneck=joint", "model.bottleneck.classes=10", "model.latent_dim=22", "regularizer=m2", "reg.lambda=1"),
    *("reg.terms.m2.known=0", "dataset.condition=label", "dataset.condition_to=terms", "dataset.labelled=1000"),
]

COSTS: dict[str, tuple[list[str], Plain]] = {
    "vae": ([], vae),
    "cvae": (["dataset.condition=label"], vae),
    "conditional prior": (["dataset.condition=label", "model/prior=conditional"], conditional),
    "mixture prior": (["model/prior=mixture"], learned(mixture)),
    "vamp prior": (["model/prior=vamp"], learned(vamp)),
    "flow prior": (["model/prior=flow"], learned(flow)),
    "log_cosh": (["model/loss=log_cosh"], judged(log_cosh)),
    "student_t": (["model/loss=student_t"], judged(student_t)),
    "logistic": (["model/loss=logistic"], judged(logistic)),
    "dip": (["regularizer=[kl,dip]"], beside(dip)),
    "swae": (["regularizer=[kl,swae]"], beside(swae)),
    "decoder_gradient": (["regularizer=[kl,decoder_gradient]"], decoder_gradient),
    "hamiltonian": (["regularizer=hamiltonian"], hamiltonian),
    "miwae": (["regularizer=iwae", "reg.terms.iwae.samples=4", "reg.terms.iwae.groups=2"], bound(2, 4, dreg=False)),
    "dreg": (["regularizer=iwae", "reg.terms.iwae.samples=8", "reg.terms.iwae.encoder=dreg"], bound(1, 8, dreg=True)),
    "fsq": (["model/bottleneck=fsq", "regularizer=none"], fsq),
    "residual vq": (["model/bottleneck=vq", "model.bottleneck.stages=4", "regularizer=none"], Residual()),
    "categorical": (["model/bottleneck=categorical"], categorical),
    "joint": (["model/bottleneck=joint"], joint),
    "m2": (FEW, m2),
    **{name: (overrides, of_code(code)) for name, (overrides, code) in CODES.items()},
}


def model_of(overrides: list[str]) -> tuple[Autoencoder, Tensor, Tensor | None]:
    """Return a model of the digits that was started from them, a batch, and what is known of it."""
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        plan = build(OmegaConf.to_container(compose("config", [*COMMON, *overrides]), resolve=True))  # type: ignore[arg-type]
    data = plan.dataset.load()
    plan.autoencoder.start_from(data.train.x)
    stored = data.train.x[:BATCH]
    return plan.autoencoder, plan.autoencoder.units(stored), plan.autoencoder.known(stored)


def ratio(name: str) -> float:
    """Return the seconds of a step over those of the plain one. ValueError where they do not compute the same."""
    overrides, plain = COSTS[name]
    model, x, c = model_of(overrides)
    weights = [p for p in model.parameters() if p.requires_grad]
    ways: dict[str, Callable[[], Tensor]] = {
        "aerun": lambda: model.objective(x, 0.5, c=c).loss,
        "plain": lambda: plain(model, x, c),
    }
    both = [[loss().item() for loss in ways.values()] for _ in range(100)][50:]  # what follows the batches has come to rest
    means = dict(zip(ways, map(statistics.mean, zip(*both, strict=True)), strict=True))
    if abs(means["aerun"] / means["plain"] - 1) > 0.01:
        raise ValueError(f"{name}: another loss: {means}")

    def seconds(loss: Callable[[], Tensor]) -> float:
        began = time.process_time()
        for _ in range(STEPS):
            torch.autograd.grad(loss(), weights, allow_unused=True)
        return time.process_time() - began

    rounds = [[seconds(loss) for loss in ways.values()] for _ in range(ROUNDS)]
    return statistics.median(a / b for a, b in rounds[1:])


def main() -> None:
    """Print the ratio of each; exit with 1 where one is above 1.15."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(COSTS)}; all without")
    names = parser.parse_args().names or list(COSTS)
    torch.set_num_threads(1)
    ratios = {name: ratio(name) for name in names}
    for name, value in ratios.items():
        print(f"{name:20} {value:.3f}{'  above ' + str(MOST) if value > MOST else ''}")
    sys.exit(any(value > MOST for value in ratios.values()))


if __name__ == "__main__":
    main()
