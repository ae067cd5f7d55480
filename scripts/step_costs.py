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
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from plain_codes import CODES, Drawn
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, linear

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
    return binary_cross_entropy_with_logits(raw, flat, reduction="none").sum(1), z, mu, lv


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


COSTS: dict[str, tuple[list[str], Plain]] = {
    "vae": ([], vae),
    "cvae": (["dataset.condition=label"], vae),
    "conditional prior": (["dataset.condition=label", "model/prior=conditional"], conditional),
    "mixture prior": (["model/prior=mixture"], learned(mixture)),
    "vamp prior": (["model/prior=vamp"], learned(vamp)),
    "flow prior": (["model/prior=flow"], learned(flow)),
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
    means = {k: statistics.mean(loss().item() for _ in range(50)) for k, loss in ways.items()}
    if abs(means["aerun"] / means["plain"] - 1) > 0.01:
        raise ValueError(f"{name}: another loss: {means}")

    def seconds(loss: Callable[[], Tensor]) -> float:
        began = time.process_time()
        for _ in range(STEPS):
            torch.autograd.grad(loss(), weights, allow_unused=True)
        return time.process_time() - began

    both = [[seconds(loss) for loss in ways.values()] for _ in range(ROUNDS)]
    return statistics.median(a / b for a, b in both[1:])


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
