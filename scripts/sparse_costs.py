"""What a step of each sparse autoencoder of activations costs beside the same arithmetic: `python scripts/sparse_costs.py`.

256 numbers, 1,024 units, batches of 128; as in `step_costs.py` both ways take turns in one process on the same weights, their
losses must agree, and the median of the ratios of their seconds is told. Then the border from which a decoder that adds up the
active atoms alone is faster than the whole product, forwards and backwards: by k units of 1,024 and 4,096.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from torch import Tensor
from torch.nn.functional import embedding_bag, normalize

from aerun.autoencoder import Autoencoder
from aerun.build import build
from aerun.core.paths import config_dir

BATCH, SIZE, UNITS, K, ROUNDS, STEPS, MOST = 128, 256, 1024, 16, 9, 10, 1.1
DATA = ["dataset=features", f"dataset.size={SIZE}", "dataset.n=2000", f"model.latent_dim={UNITS}"]
Plain = Callable[[Autoencoder, Tensor], Tensor]


def maps(model: Autoencoder) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return weights and biases of encoder and decoder, the atoms of norm 1."""
    up, down = model.arch.encoder[1], model.arch.decoder[0]
    return up.weight, up.bias, normalize(down.parametrizations.weight.original, dim=0), down.bias


def largest(active: Tensor, k: int) -> Tensor:
    """Return the k largest of each row."""
    kept, where = active.topk(k, 1, sorted=False)
    return torch.zeros_like(active).scatter(1, where, kept)


def error(x: Tensor, z: Tensor, w: Tensor, c: Tensor) -> Tensor:
    """Return the squared error of decoded codes, (B,)."""
    return (x - torch.addmm(c, z, w.t())).square().sum(1)


def revival(model: Autoencoder, x: Tensor, z: Tensor, h: Tensor, w: Tensor, c: Tensor) -> Tensor:
    """Return what dead units could add to the rest, its weight included, and count since when units have been silent."""
    code = model.bottleneck
    code.idle.copy_(torch.where((z > 0).any(0), 0, code.idle + len(h)))
    spare = largest((torch.nn.functional.elu(h) + 1) * (code.idle >= code.dead_after), code.k_aux)
    missed = (x - torch.addmm(c, z, w.t())).detach() - spare @ w.t()
    return (missed.square().sum(1) * spare.any(1)).mean() / 32


def topk(model: Autoencoder, x: Tensor) -> Tensor:
    """Return the objective of `sae_topk`."""
    v, a, w, c = maps(model)
    h = torch.addmm(a, x - model.arch.mean, v.t())
    z = largest(h.relu(), K)
    return error(x, z, w, c).mean() + revival(model, x, z, h, w, c)


def of_batch(model: Autoencoder, x: Tensor, nested: bool = False) -> Tensor:
    """Return the objective of `sae_batchtopk`, and with the errors of the first 128, 256 and 512 units of `sae_matryoshka`."""
    v, a, w, c = maps(model)
    h = torch.addmm(a, x - model.arch.mean, v.t())
    kept, where = h.relu().flatten().topk(K * BATCH)
    z = torch.zeros(h.numel()).scatter(0, where, kept).view_as(h)
    model.bottleneck.threshold.lerp_(kept[-1].detach(), 0.01)
    more = sum(error(x, z[:, :m], w[:, :m], c).mean() for m in (128, 256, 512)) if nested else 0
    return error(x, z, w, c).mean() + more + revival(model, x, z, h, w, c)


def gated(model: Autoencoder, x: Tensor) -> Tensor:
    """Return the objective of `sae_gated`, its weights of the middle of training."""
    v, a, w, c = maps(model)
    h = torch.addmm(a, x - model.arch.mean, v.t())
    gate = h.relu()
    z = (h * model.bottleneck.log_gain.exp() + model.bottleneck.shift).relu() * (h > 0)
    sparse = (gate * w.norm(dim=0)).sum(1).mean()
    held = error(x, gate, w.detach(), c.detach()).mean()
    return error(x, z, w, c).mean() + 2 * sparse + held + revival(model, x, z, h, w, c)


def jumprelu(model: Autoencoder, x: Tensor) -> Tensor:
    """Return the objective of `sae_jumprelu`."""
    v, a, w, c = maps(model)
    h = torch.addmm(a, x - model.arch.mean, v.t())
    code = model.bottleneck
    theta = code.threshold.relu()
    on, window = (h > theta).float(), ((h - theta).detach().abs() < code.bandwidth / 2) / code.bandwidth
    moved = theta - theta.detach()
    z, active = h * on - (theta.detach() * window) * moved, (on - window * moved).sum(1)
    return error(x, z, w, c).mean() + 0.5 * active.mean() + revival(model, x, z, h, w, c)


COSTS: dict[str, tuple[list[str], Plain]] = {
    "sae_topk": ([f"model.bottleneck.k={K}"], topk),
    "sae_batchtopk": ([f"model.bottleneck.k={K}"], of_batch),
    "sae_matryoshka": ([f"model.bottleneck.k={K}"], lambda model, x: of_batch(model, x, nested=True)),
    "sae_gated": ([], gated),
    "sae_jumprelu": ([], jumprelu),
}


def ratio(name: str) -> float:
    """Return the seconds of a step over those of the plain one. ValueError where they do not compute the same."""
    overrides, plain = COSTS[name]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        typed = [f"model={name}", *DATA, *overrides]
        plan = build(OmegaConf.to_container(compose("config", typed), resolve=True))  # type: ignore[arg-type]
    model, train = plan.autoencoder, plan.dataset.load().train.x
    model.start_from(train)
    model.train()
    x, weights = model.units(train[:BATCH]), [p for p in model.parameters() if p.requires_grad]
    ways: dict[str, Callable[[], Tensor]] = {"aerun": lambda: model.objective(x, 0.5).loss, "plain": lambda: plain(model, x)}
    a, b = (float(way().detach()) for way in ways.values())
    if abs(a - b) > 1e-3 * abs(b):
        raise ValueError(f"{name}: {a} by aerun, {b} plainly")
    return turns({k: lambda way=way: torch.autograd.grad(way(), weights) for k, way in ways.items()})


def turns(ways: dict[str, Callable[[], object]]) -> float:
    """Return the median ratio of the seconds of two ways that take turns, the first over the second."""
    ratios = []
    for _ in range(ROUNDS):
        seconds = {}
        for name, way in ways.items():
            began = time.process_time()
            for _ in range(STEPS):
                way()
            seconds[name] = time.process_time() - began
        first, second = seconds.values()
        ratios.append(first / second)
    return statistics.median(ratios)


def border(units: int, k: int) -> float:
    """Return the seconds of a decoder of the active atoms alone over those of the whole product, with their gradients."""
    w = torch.randn(units, SIZE, requires_grad=True)
    kept, where = torch.rand(BATCH, units).topk(k, 1)
    kept.requires_grad_()

    def whole() -> object:
        z = torch.zeros(BATCH, units).scatter(1, where, kept)
        return torch.autograd.grad((z @ w).square().sum(), (kept, w))

    def active() -> object:
        x_hat = embedding_bag(where, w, per_sample_weights=kept, mode="sum")
        return torch.autograd.grad(x_hat.square().sum(), (kept, w))

    return turns({"active": active, "whole": whole})


def main() -> int:
    """Print the ratio of each; exit with 1 where one is above 1.1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=sorted(COSTS))
    torch.set_num_threads(1)
    slow = False
    for name in parser.parse_args().names:
        found = ratio(name)
        slow |= found > MOST
        print(f"{name:>16}: {found:.3f} of the plain step", flush=True)
    for units in (1024, 4096):
        for k in (2, 8, 32):
            print(f"{k:>3} of {units} units: the active atoms alone {border(units, k):.2f} of the whole product", flush=True)
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
