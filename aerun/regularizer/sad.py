"""Codes of normal samples pulled to one point, and those of known anomalies pushed away from it."""

import torch
from torch import Tensor

from aerun.core.checks import at_least
from aerun.core.errors import AerunError
from aerun.regularizer.svdd import Svdd

_EPS = 1e-6


class Sad(Svdd):
    """Omega_i = d_i = ||z_i - c||^2, and eta / (d_i + 1e-6) of samples that are known to be anomalies; see svdd. (B,).

    Anomalies are known where terms are told (`dataset.normal`, `dataset.contamination` for some in training, dataset.condition=
    label dataset.condition_to=terms; dataset.labelled for a few). Their reconstruction is still part of the objective: with a
    large reg.lambda it counts for little. With eta 0 they count for nothing here.
    Raises AerunError for a negative eta, where something else is told, and where no training sample is a known anomaly.
    Ruff et al. 2020, https://openreview.net/forum?id=HkgH0TEYwH
    """

    infers = True

    def __init__(self, *, latent_dim: int, least: float, eta: float) -> None:
        super().__init__(latent_dim=latent_dim, least=least)
        self.eta = at_least("reg.terms.sad.eta", eta, 0)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:  # type: ignore[override]
        d = self.away(z)
        return torch.where(_known(c), self.eta / (d + _EPS), d)

    def setup_known(self, c: Tensor) -> None:
        if not bool(_known(c).any()):
            raise AerunError(
                "regularizer=sad: no training sample is known to be an anomaly. dataset.contamination=0.05 leaves some in "
                "training; without any it is regularizer=svdd."
            )


def _known(c: Tensor) -> Tensor:
    """Return which samples are known to be anomalies, (B,): c (B, 3) says normal, anomaly, unknown."""
    if c.shape[1] != 3:
        raise AerunError(
            f"regularizer=sad needs to be told which samples are anomalies, and is told {c.shape[1] - 1} classes: "
            "dataset.normal=CLASSES dataset.condition=label dataset.condition_to=terms."
        )
    return c[:, 1] > 0
