"""Samplers of new codes: the prior, or a density fitted to the codes of training samples."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.autoencoder import Autoencoder
from aerun.dataset.splits import Split
from aerun.evaluate.samplers.aggregate import Aggregate
from aerun.evaluate.samplers.fit import Fit
from aerun.evaluate.samplers.flow import Flow
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.evaluate.samplers.mixture import Mixture
from aerun.evaluate.samplers.second_stage import SecondStage
from aerun.evaluate.subset import refuse_few, subsample
from aerun.metrics.moments import WIDEST
from aerun.regularizer.log_ratio import log_density
from aerun.trained import Trained, posteriors, sampled_codes

FITS: Mapping[str, type[Fit]] = {
    "gaussian": Gaussian,
    "mixture": Mixture,
    "flow": Flow,
    "second_stage": SecondStage,
    "aggregate": Aggregate,
}
NAMES = ("prior", *FITS)
_ROWS = 20_000  # codes that densities are fitted to


class Sampler:
    """A source of codes: called with n it returns n of them, (n, d, *grid), to be decoded. What is fitted is, when first asked.

    Drawn codes are kept between `low` and `high` (E,), the range of each number in training, and become codes of the kind that
    the bottleneck makes: entries of a codebook, whole numbers. fit: returns the density, once.
    """

    def __init__(self, model: Autoencoder, low: Tensor, high: Tensor, fit: Callable[[], Fit]) -> None:
        self.model, self.low, self.high, self._make = model, low, high, fit
        self._fit: Fit | None = None

    @property
    def fit(self) -> Fit:
        """Return the fitted density."""
        if self._fit is None:
            with torch.random.fork_rng(), torch.inference_mode(False), torch.enable_grad():
                self._fit = self._make()
        return self._fit

    def __call__(self, n: int) -> Tensor:
        like = next(self.model.arch.parameters())
        flat = torch.minimum(torch.maximum(self.fit.draw(n), self.low), self.high)
        return self.model.bottleneck.nearest(flat.reshape(n, -1, *self.model.arch.grid).to(like))

    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p of codes (n, d, *grid) in nats, (n,), without regard to the range; NaN where there is no density."""
        return self.fit.log_density(codes.flatten(1).double())


class OfPrior:
    """The same of the model's prior."""

    def __init__(self, model: Autoencoder, like: Tensor) -> None:
        self.model, self.like = model, like

    def __call__(self, n: int, c: Tensor | None = None) -> Tensor:
        return self.model.prior_codes(self.like[:1].expand(n, *self.like.shape[1:]), c=c)

    def log_density(self, codes: Tensor, c: Tensor | None = None) -> Tensor:
        """Return log p of codes (n, d, *grid) in nats, (n,); NaN of codes that are no real numbers.

        c (n, m): what is known of their samples beforehand.
        """
        if "prior" not in self.model.offers:
            return codes.new_full((len(codes),), float("nan"))
        prior: Distribution = self.model.prior_of(codes, c)
        return log_density(prior, codes)


@torch.no_grad()
def samplers(trained: Trained) -> dict[str, Sampler | OfPrior]:
    """Map the name of each sampler to a source of codes.

    prior: N(0, I), or the learned one; of a discrete code (vq) every one as likely. Not where there is none. Others are fitted
    to codes of at most 20,000 training samples; where codes are random, to a draw from the posterior of each sample, never its
    mean. gaussian: mean and covariance. mixture: ten Gaussians, with correlations up to 64 numbers. flow: the Gaussian, bent by
    an invertible network. second_stage: a VAE of codes. aggregate: the posteriors of the training samples themselves.
    Ex-post density: Ghosh et al. 2020, https://arxiv.org/abs/1903.12436.
    """
    model = trained.autoencoder
    refuse_few(len(trained.data.train), 2, "training", "a distribution fitted to codes")
    split = subsample(trained.data.train, _ROWS, max(model.code_elements, 400))
    codes = sampled_codes(trained, split)
    flat = codes.flatten(1).double()
    low, high = flat.aminmax(dim=0)
    by_name: dict[str, Sampler | OfPrior] = {"prior": OfPrior(model, codes)} if model.has_prior else {}
    for name, cls in FITS.items():
        if name == "aggregate":
            by_name[name] = Sampler(model, low, high, lambda: _aggregate(trained, split, flat))
        elif name == "mixture" or flat.shape[1] <= WIDEST:
            by_name[name] = Sampler(model, low, high, lambda cls=cls: cls.fitted(flat, trained.seed))  # type: ignore[misc]
    return by_name


@torch.no_grad()
def _aggregate(trained: Trained, split: Split, flat: Tensor) -> Aggregate:
    """Return the mixture of the posteriors of training samples, or of the codes themselves where these are not random."""
    if "factors" not in trained.autoencoder.bottleneck.offers:
        return Aggregate(flat, None)
    of_parts = list(posteriors(trained, split))
    means, scales = (torch.cat([getattr(q, k).flatten(1).double() for q in of_parts]) for k in ("mean", "stddev"))
    return Aggregate(means, scales)
