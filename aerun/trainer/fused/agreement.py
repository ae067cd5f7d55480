"""Whether several runs trained as one do what each does alone: tested on the first batch, before anything is trained."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.seeding import seed_all
from aerun.trainer.fused.members import Batch, Members, Objective, part_of

_AGREES = 1e-3  # The largest difference of a value or a gradient, relative to its largest entry.


def disagreement(members: Members, batch: Batch, seeds: Sequence[int]) -> str:
    """Return why these cannot be trained as one, from their figures and gradients on a batch; empty where they can."""
    members.streams.seed(seeds)
    weights = members.weights
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # vmap warns where it takes the runs one by one: nothing is gained then.
            losses, parts = members.objective(batch, 0.0)
        together = torch.autograd.grad(losses.sum(), list(weights.values()), allow_unused=True)
    except Exception as e:
        return f"torch.func.vmap cannot take this model: {str(e).splitlines()[0][:100]}"
    for row, seed in enumerate(seeds):
        seed_all(seed)
        mine = Batch(*(None if t is None else t[row] for t in batch))  # type: ignore[arg-type]
        figures, gradients = _alone(members.autoencoders[members.numbers[row]], mine, list(weights))
        pairs = [(parts[row], figures)]
        for name, as_one, own in zip(weights, together, gradients, strict=True):
            pairs.append((part_of(_whole(as_one, weights[name])[row], own.shape), own))
        if any(bool((a - b).abs().max() > _AGREES * b.abs().max().clamp_min(1e-6)) for a, b in pairs):
            return "as one, their figures are not those of each alone"
    return ""


def _alone(autoencoder: Autoencoder, batch: Batch, names: Sequence[str]) -> tuple[Tensor, Sequence[Tensor]]:
    """Return the parts (K,) and the gradients of one run."""
    before = [b.clone() for b in autoencoder.buffers()]
    value = autoencoder.objective(batch.x, 0.0, seen=batch.seen, c=batch.c)
    own = dict(Objective(autoencoder).named_parameters())
    gradients = torch.autograd.grad(value.loss, [own[k] for k in names], allow_unused=True)
    value.names.clear()
    for buffer, was in zip(autoencoder.buffers(), before, strict=True):
        buffer.copy_(was)
    return torch.stack(value.parts), [_whole(g, own[k]) for k, g in zip(names, gradients, strict=True)]


def _whole(gradient: Tensor | None, weight: Tensor) -> Tensor:
    return torch.zeros_like(weight) if gradient is None else gradient
