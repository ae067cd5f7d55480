"""`aerun compare --udr`: how far models that differ in their seed alone agree on their units."""

from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.text import say
from aerun.dataset.splits import Split
from aerun.evaluate.subset import subsample
from aerun.inference.loading import trained
from aerun.metrics.agreement import udr
from aerun.regularizer.log_ratio import divergence
from aerun.runs.groups import Group, label
from aerun.trained import Trained

_SEEDS, _MOST = 5, 2000  # runs that a score takes; test samples
_NATS, _SHARE = 0.01, 0.01  # least KL divergence of a unit, or share of the largest variance, that counts


def tell(groups: Sequence[Group], keys: Sequence[str]) -> None:
    """Print the score of each setting with at least five seeds, highest first.

    Raises AerunError where none has so many.
    """
    enough = [group for group in groups if len(group.runs) >= _SEEDS]
    if not enough:
        most = max(len(group.runs) for group in groups)
        raise AerunError(
            f"--udr holds runs that differ in their seed alone against each other and needs {_SEEDS}; here are {most}."
        )
    scored = sorted(((_scores(group), group) for group in enough), key=lambda pair: -median(pair[0]))
    for scores, group in scored:
        each = ", ".join(f"seed {run.seed} {score:.3f}" for run, score in zip(group.runs, scores, strict=True))
        say(f"udr {median(scores):.3f}  {label(group, keys) or 'these runs'} ({each}; 1: all found the same units)")
    if left := len(groups) - len(enough):
        say(f"udr: {left} setting{'s' * (left > 1)} with fewer than {_SEEDS} seeds left out")


@torch.no_grad()
def _scores(group: Group) -> list[float]:
    """Return the score of each run of a setting, on test samples of the first."""
    models = [trained(run.path, "best", (), None)[0] for run in group.runs]
    split = subsample(models[0].data.test, _MOST, models[0].autoencoder.facts.size)
    codes = [model.codes(split).cpu() for model in models]
    return udr(codes, [_alive(model, split, z) for model, z in zip(models, codes, strict=True)])


def _alive(model: Trained, split: Split, codes: Tensor) -> Tensor:
    """Return which units (d,) carry something: by their KL divergence where codes are random, else by their variance."""
    if {"factors", "prior"} <= model.autoencoder.offers:
        nats = []
        for x, beside in model.known_batches(split):
            names = model.autoencoder.clean_pass(x, **beside)
            each = divergence(names["factors"], names["prior"])
            if each.ndim < 2:
                break
            nats.append(each.flatten(1).cpu())
        if nats:
            return torch.cat(nats).mean(0) > _NATS
    variance = codes.double().var(0)
    return variance >= _SHARE * variance.max()
