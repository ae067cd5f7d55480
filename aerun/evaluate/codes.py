"""What a code is like: which of its units say anything, how many directions it uses, how they depend on each other.

Units are axis 1 of a code (n, d, *grid); the places of a spatial code count as samples of their own.
"""

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.metrics.intrinsic import maximum_likelihood, neighbours, two_nn
from aerun.regularizer.log_ratio import divergence
from aerun.regularizer.units import table

_ON, _ACTIVE = 1e-3, 0.01
_ROWS = 2000  # codes between which distances are computed
_NATS = 0.01  # KL from which a unit counts as used
_LISTED = 512  # units whose own KL is kept
_WIDEST = 1024  # units up to which their covariance is formed
_NOTHING = 1e-20  # scatter of codes that are all the same


def statistics(z: Tensor) -> dict[str, float]:
    """Return statistics of codes (n, d, *grid).

    dead: share of units with |z_j| <= 1e-3 always; l0: mean number of units above it. active: number of units with
    Var(z_j) > 0.01 (Burda et al. 2016, https://arxiv.org/abs/1509.00519, for the mean of a posterior). effective_rank =
    exp(-sum p_j log p_j), p the eigenvalues of the covariance over their sum (Roy & Vetterli 2007); participation =
    (sum ev)^2 / sum ev^2. correlation: root mean square of the correlations of two different units; total_correlation =
    -1/2 log det of their matrix, in nats, what a Gaussian with it would have; both of units that vary, and without the latter
    where one depends on others. Of more than 1,024 units: the ranks of the first 1,024 codes, and no correlations.
    """
    rows = table(z).double()
    on = rows.abs() > _ON
    variance = rows.var(0, unbiased=False)
    figures = {
        "units": float(rows.shape[1]),
        "dead": float((~on).all(0).double().mean()),
        "l0": float(on.double().sum(1).mean()),
        "active": float((variance > _ACTIVE).sum()),
    }
    wide = rows.shape[1] > _WIDEST
    centred = rows[:_WIDEST] if wide else rows
    centred = centred - centred.mean(0)
    scatter = centred @ centred.t() if wide else centred.t() @ centred  # the same eigenvalues, but for zeros
    return figures | _rank(torch.linalg.eigvalsh(scatter)) | ({} if wide else _dependence(scatter / len(rows)))


def _rank(ev: Tensor) -> dict[str, float]:
    """Return both ranks of the eigenvalues of a covariance; 0 for a constant code."""
    ev = ev.clamp_min(0)
    total = ev.sum()
    if not float(total) > _NOTHING:
        return {"effective_rank": 0.0, "participation": 0.0}
    share = ev / total
    return {
        "effective_rank": float(torch.special.entr(share).sum().exp()),
        "participation": float(1 / share.square().sum()),
    }


def _dependence(covariance: Tensor) -> dict[str, float]:
    deviations = covariance.diagonal().sqrt()
    vary = deviations > max(1e-6 * float(deviations.max()), _NOTHING)
    d = int(vary.sum())
    if d < 2:
        return {}
    correlation = covariance[vary][:, vary] / torch.outer(deviations[vary], deviations[vary])
    off = correlation - torch.diag(correlation.diagonal())
    figures = {"correlation": float((off.square().sum() / (d * (d - 1))).sqrt())}
    ev = torch.linalg.eigvalsh(correlation)
    if float(ev.min()) > 1e-9:
        figures["total_correlation"] = float(-0.5 * ev.log().sum())
    return figures


def dimension(z: Tensor) -> dict[str, float]:
    """Return two_nn and mle, two estimates of the intrinsic dimension of the first 2,000 codes (n, d).

    See `aerun.metrics.intrinsic`. There are none where fewer than 100 codes differ, as those of a small codebook.
    """
    rows = torch.unique(z[:_ROWS].flatten(1).float().cpu(), dim=0)
    if len(rows) < 100:
        return {}
    near = neighbours(rows)
    if not float(near[:, 0].min()) > 0:
        return {}
    return {"dimension_two_nn": two_nn(near), "dimension_mle": maximum_likelihood(near)}


@torch.no_grad()
def rates(
    model: Autoencoder, x: Tensor, valid: Tensor | None = None, c: Tensor | None = None, seen: Tensor | None = None
) -> Tensor:
    """Return KL(q(z_j|x_i) || p(z_j)) in nats, (B, d), summed over the places of a grid; (B, 1) of a prior of whole codes.

    x: clean samples (B, *S).
    """
    names = model.clean_pass(x, valid, c, seen)
    kl = divergence(names["posterior"], names["prior"], names["z"])
    return kl.reshape(*(kl.shape[:2] if kl.ndim > 1 else (len(kl), 1)), -1).sum(2)


def told_rates(kl: Tensor, units: int) -> dict[str, float]:
    """Return kl, the nats per sample, and kl_units, the number of units with more than 0.01; kl (d,) holds those of each unit.

    Up to 512 units are also listed one by one, as kl/NUMBER. Of a prior of whole codes kl (1,) is all there is.
    """
    if len(kl) != units:
        return {"kl": float(kl.sum())}
    figures = {"kl": float(kl.sum()), "kl_units": float((kl > _NATS).sum())}
    if units > _LISTED:
        return figures
    return figures | {f"kl/{j:0{len(str(len(kl) - 1))}d}": float(v) for j, v in enumerate(kl)}
