"""Samplers of new codes: the prior, or a density fitted to the codes of training samples."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from aerun.evaluate.subset import refuse_few, subsample
from aerun.metrics.moments import WIDEST, moments
from aerun.trained import Trained, sampled_codes

_ROWS, _COMPONENTS, _FULL = (
    20_000,
    10,
    64,
)  # codes fitted on; Gaussians of the mixture; numbers up to which they have correlations

Sampler = Callable[[int], Tensor]


@torch.no_grad()
def samplers(trained: Trained) -> dict[str, Sampler]:
    """Map the name of each sampler to a function of n that returns n codes (n, d, *grid) to be decoded.

    prior: N(0, I), or whatever the bottleneck says; of a discrete code (vq) every one as likely. Not where there is none.
    gaussian: mean and covariance of training codes (at most 20,000; where codes are random, a draw from the posterior of each
    sample, never its mean). mixture: ten Gaussians fitted to them, with correlations up to 64 numbers. Drawn codes are kept
    within each number's range in training, and become codes of the kind the bottleneck makes: entries of the codebook, whole
    numbers. Ex-post density: Ghosh et al. 2020, https://arxiv.org/abs/1903.12436.
    """
    model = trained.autoencoder
    refuse_few(len(trained.data.train), 2, "training", "a distribution fitted to codes")
    codes = _codes(trained)
    flat = codes.flatten(1).double()
    low, high = flat.amin(0), flat.amax(0)

    def shaped(drawn: Tensor) -> Tensor:
        z = torch.minimum(torch.maximum(drawn, low), high).reshape(-1, *codes.shape[1:]).to(codes)
        return model.bottleneck.nearest(z)

    by_name: dict[str, Sampler] = {}
    if model.has_prior:
        by_name["prior"] = lambda n: model.prior_codes(codes[:1].expand(n, *codes.shape[1:]))
    if flat.shape[1] <= WIDEST:
        by_name["gaussian"] = gaussian(flat, shaped)
    by_name["mixture"] = _mixture(flat, trained.seed, shaped)
    return by_name


def gaussian(x: Tensor, shaped: Callable[[Tensor], Tensor]) -> Sampler:
    """Return a sampler of the Gaussian with the mean and the (shrunk) covariance of x (n, D)."""
    statistics = moments(lambda: iter([x]))
    values, vectors = torch.linalg.eigh(statistics.shrunk())
    root = vectors * values.clamp_min(0).sqrt()
    return lambda n: shaped(statistics.mean + torch.randn(n, len(root), dtype=root.dtype, device=root.device) @ root.t())


def _codes(trained: Trained) -> Tensor:
    return sampled_codes(trained, subsample(trained.data.train, _ROWS, max(trained.autoencoder.code_elements, 400)))


def _mixture(flat: Tensor, seed: int, shaped: Callable[[Tensor], Tensor]) -> Sampler:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    kind = "full" if flat.shape[1] <= _FULL else "diag"
    spread = float(flat.var(0).mean())
    fitted = GaussianMixture(
        min(_COMPONENTS, len(flat)), covariance_type=kind, reg_covar=1e-6 * spread + 1e-12, random_state=seed, max_iter=50
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # 50 rounds are enough for a sampler
        fitted.fit(flat.cpu().numpy())

    def draw(n: int) -> Tensor:
        fitted.random_state = int(torch.randint(1 << 31, ()))
        drawn, _ = fitted.sample(n)
        return shaped(torch.from_numpy(drawn)[torch.randperm(n)].to(flat))

    return draw
