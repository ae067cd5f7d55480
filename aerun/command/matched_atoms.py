"""`aerun compare --atoms`: how alike the dictionaries are that models learn which differ in their seed alone."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.core.text import counted, say
from aerun.inference.loading import load
from aerun.metrics.dictionary import matched
from aerun.runs.groups import Group, label

_MOST = 4096  # atoms of each, whose matching takes some ten seconds
_NEAR = (0.9, 0.7)


def tell_atoms(groups: Sequence[Group], keys: Sequence[str]) -> None:
    """Print of each setting with several seeds the mean over pairs of runs, and what random directions have.

    Of each pair: the mean |cos| of atoms that are matched one to one such that it is largest, and the shares of pairs above .9
    and .7. Units that are never on take part. Raises AerunError where no setting has two seeds, or atoms.
    """
    several = [group for group in groups if len(group.runs) > 1]
    if not several:
        raise AerunError("--atoms holds runs that differ in their seed alone against each other; here each setting has one.")
    for group in several:
        atoms = [_atoms(run.path) for run in group.runs]
        pairs = [_figures(a, b) for a, b in combinations(atoms, 2)]
        random = _figures(*(torch.randn(a.shape, generator=torch.Generator().manual_seed(i)) for i, a in enumerate(atoms[:2])))
        means, span = torch.tensor(pairs).mean(0).tolist(), [p[0] for p in pairs]
        seeds = ", ".join(str(run.seed) for run in group.runs)
        say(
            f"atoms {_words(means)}  {label(group, keys) or 'these runs'} ({counted(len(pairs), 'pair')} of seeds {seeds}, "
            f"|cos| {min(span):.3f} to {max(span):.3f}; random directions: {_words(random)})"
        )
    if left := len(groups) - len(several):
        say(f"atoms: {counted(left, 'setting')} with one seed left out")


def _atoms(path: Path) -> Tensor:
    """Return the atoms of a run, (D, d). AerunError where it has none."""
    model = load(path).autoencoder
    weights = model.decoder_weights()
    if len(weights) != 1 or model.arch.grid:
        raise AerunError(f"--atoms: {path} has none: its decoder is no single affine map. model/arch=linear has them.")
    atoms = weights[0].detach().cpu()
    if atoms.shape[1] > _MOST:
        say(f"atoms: of {path} the first {_MOST:,} of {atoms.shape[1]:,} are compared")
    return atoms[:, :_MOST]


def _figures(a: Tensor, b: Tensor) -> tuple[float, ...]:
    cosines = matched(a, b)
    return (float(cosines.mean()), *(float((cosines > near).double().mean()) for near in _NEAR))


def _words(figures: Sequence[float]) -> str:
    return f"{figures[0]:.3f}, {figures[1]:.0%} above .9, {figures[2]:.0%} above .7"
