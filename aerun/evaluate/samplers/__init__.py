"""Samplers of new codes: the prior, or a density fitted to the codes of training samples."""

import math
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from aerun.autoencoder import Autoencoder
from aerun.core.seeding import own_draws
from aerun.dataset.splits import Split
from aerun.evaluate.samplers.aggregate import Aggregate
from aerun.evaluate.samplers.code_prior import CodePrior, from_raster, in_raster
from aerun.evaluate.samplers.counts import Counts
from aerun.evaluate.samplers.fit import Fit
from aerun.evaluate.samplers.flow import Flow
from aerun.evaluate.samplers.gaussian import Gaussian
from aerun.evaluate.samplers.mixture import Mixture
from aerun.evaluate.samplers.second_stage import SecondStage
from aerun.evaluate.samplers.transformer import Transformer
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
CODE_PRIORS: Mapping[str, type[CodePrior]] = {"counts": Counts, "transformer": Transformer}  # of discrete codes
NAMES = ("prior", *FITS, *CODE_PRIORS)
_ROWS = 20_000  # codes that densities are fitted to


F = TypeVar("F", Fit, CodePrior)


class Fitted(Generic[F]):
    """A source of codes of a model that is fitted when it is first asked. make: returns the fit, once."""

    def __init__(self, model: Autoencoder, make: Callable[[], F]) -> None:
        self.model = model
        self._make: Callable[[], F] = make
        self._fit: F | None = None

    @property
    def fit(self) -> F:
        """Return what is fitted."""
        if self._fit is None:
            with own_draws(), torch.inference_mode(False), torch.enable_grad():
                self._fit = self._make()
        return self._fit

    def arrays(self) -> dict[str, Tensor]:
        """Return all that it consists of."""
        return self.fit.arrays()


class Sampler(Fitted[Fit]):
    """A source of codes: called with n it returns n of them, (n, d, *grid), to be decoded. What is fitted is, when first asked.

    Drawn codes are kept between `low` and `high` (E,), the range of each number in training, and become codes of the kind that
    the bottleneck makes: entries of a codebook, whole numbers. fit: returns the density, once.
    """

    def __init__(self, model: Autoencoder, low: Tensor, high: Tensor, fit: Callable[[], Fit]) -> None:
        super().__init__(model, fit)
        self.low, self.high = low, high

    def __call__(self, n: int) -> Tensor:
        like = next(self.model.arch.parameters())
        flat = torch.minimum(torch.maximum(self.fit.draw(n), self.low), self.high)
        return self.model.bottleneck.nearest(flat.reshape(n, -1, *self.model.arch.grid).to(like))

    def arrays(self) -> dict[str, Tensor]:
        return {**super().arrays(), "low": self.low, "high": self.high}

    def log_density(self, codes: Tensor) -> Tensor:
        """Return log p of codes (n, d, *grid) in nats, (n,), without regard to the range; NaN where there is no density."""
        return self.fit.log_density(codes.flatten(1).double())


class OfNumbers(Fitted[CodePrior]):
    """A source of discrete codes: their numbers are drawn, from a probability that is fitted when first asked."""

    def __call__(self, n: int) -> Tensor:
        bottleneck, like = self.model.bottleneck, next(self.model.arch.parameters())
        numbers = from_raster(self.fit.draw(n), len(bottleneck.levels), self.model.arch.grid)
        return bottleneck.lookup(numbers.to(like.device)).to(like)

    def bits(self, numbers: Tensor) -> Tensor:
        """Return -log2 p of the numbers (n, u, *grid) of whole codes, (n,)."""
        return -self.fit.log_density(in_raster(numbers).cpu()) / math.log(2)


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

    def bits(self, numbers: Tensor) -> Tensor:
        """Return the bits of the numbers (n, u, *grid) of discrete codes where none is known to be more likely, (n,)."""
        bottleneck = self.model.bottleneck
        bits = bottleneck.bits_of(bottleneck.pieces, numbers[0, 0].numel())
        return numbers.new_full((len(numbers),), bits, dtype=torch.float64)


Source = Sampler | OfNumbers | OfPrior


@torch.no_grad()
def samplers(trained: Trained) -> dict[str, Source]:
    """Map the name of each sampler to a source of codes.

    prior: N(0, I), or the learned one; of a discrete code (vq) every one as likely. Not where there is none. Others are fitted
    to codes of at most 20,000 training samples; where codes are random, to a draw from the posterior of each sample, never its
    mean. gaussian: mean and covariance. mixture: ten Gaussians, with correlations up to 64 numbers. flow: the Gaussian, bent by
    an invertible network. second_stage: a VAE of codes. aggregate: the posteriors of the training samples themselves. Of
    discrete codes alone, to their numbers: counts, how often each came; transformer, each given those before it.
    Ex-post density: Ghosh et al. 2020, https://arxiv.org/abs/1903.12436.
    """
    model = trained.autoencoder
    refuse_few(len(trained.data.train), 2, "training", "a distribution fitted to codes")
    split = subsample(trained.data.train, _ROWS, max(model.code_elements, 400))
    codes = sampled_codes(trained, split)
    flat = codes.flatten(1).double()
    low, high = flat.aminmax(dim=0)
    by_name: dict[str, Source] = {"prior": OfPrior(model, codes)} if model.has_prior else {}
    for name, cls in FITS.items():
        if model.bottleneck.curved and name != "aggregate":
            continue  # a density of real codes, and these fill no part of that space
        if name == "aggregate":
            by_name[name] = Sampler(model, low, high, lambda: _aggregate(trained, split, flat))
        elif name == "mixture" or flat.shape[1] <= WIDEST:
            by_name[name] = Sampler(model, low, high, lambda cls=cls: cls.fitted(flat, trained.seed))  # type: ignore[misc]
    if model.bottleneck.levels:
        for key, prior in CODE_PRIORS.items():
            by_name[key] = OfNumbers(model, lambda prior=prior: _of_numbers(trained, split, prior))  # type: ignore[misc]
    return by_name


@torch.no_grad()
def numbers_of(trained: Trained, split: Split) -> Tensor:
    """Return the numbers (n, u, *grid) of the discrete codes of clean samples."""
    model = trained.autoencoder
    parts = (model.bottleneck.indices(model.features(x, **beside)) for x, beside in trained.known_batches(split))
    return torch.cat([part.long() for part in parts])


def positions(model: Autoencoder) -> tuple[int, ...]:
    """Return the levels of each position of a discrete code in raster order."""
    return model.bottleneck.levels * int(torch.Size(model.arch.grid).numel())


def _of_numbers(trained: Trained, split: Split, prior: type[CodePrior]) -> CodePrior:
    rows = in_raster(numbers_of(trained, split)).cpu()
    return prior.fitted(rows, positions(trained.autoencoder), trained.seed)


@torch.no_grad()
def _aggregate(trained: Trained, split: Split, flat: Tensor) -> Aggregate:
    """Return the mixture of the posteriors of training samples, or the codes themselves where these are no Gaussians."""
    if "factors" not in trained.autoencoder.bottleneck.offers or trained.autoencoder.bottleneck.space != "real":
        return Aggregate(flat, None)
    of_parts = list(posteriors(trained, split))
    means, scales = (torch.cat([getattr(q, k).flatten(1).double() for q in of_parts]) for k in ("mean", "stddev"))
    return Aggregate(means, scales)
