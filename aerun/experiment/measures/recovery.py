"""Did a sparse model find the planted dictionary again?"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from aerun.core.errors import AerunError
from aerun.trained import Trained

_FOUND = 0.9


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return mmcs: mean over planted atoms of their largest cosine with a column of the decoder; found.

    Share of atoms where it exceeds 0.9. AerunError for data without planted atoms.

    Sharkey, Braun & Millidge 2022, https://www.alignmentforum.org/posts/z6QQJbtpkEAX3Aojj.
    """
    atoms = trained.dataset.atoms()
    if atoms is None:
        raise AerunError("measures: recovery: needs data with planted atoms, such as dataset=dictionary.")
    best = cosines(trained.autoencoder.decoder_weights()[0].detach().cpu(), atoms)
    return {"mmcs": float(best.mean()), "found": float((best > _FOUND).float().mean())}


def cosines(columns: Tensor, atoms: Tensor) -> Tensor:
    """Map largest cosine of each atom, (size, atoms) -> (atoms,), with a column (size, d)."""
    return (normalize(atoms, dim=0).t() @ normalize(columns, dim=0)).max(1).values
