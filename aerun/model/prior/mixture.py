"""A learned prior of several Gaussians."""

import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from aerun.core.checks import integer, one_of
from aerun.core.errors import AerunError
from aerun.model.prior.density import GaussianMixture
from aerun.parts import Prior
from aerun.vocabulary import wide

_LEAST = 1e-4  # variance that a fit adds to each component's, as a share of the codes'


class Mixture(Prior):
    """p(z) = sum_k pi_k N(m_k, diag s_k^2), k = 1 ... components; pi, m and s are learned.

    start: spread, centres drawn from N(0, I), of scale 1; fit, a mixture fitted to codes of the training samples, drawn from
    their posteriors, which takes a run to begin with (model.init_from). With kl it is the prior of VaDE, whose clusters are
    the components (row `own` of evaluate=[clustering]). Jiang et al. 2017, https://arxiv.org/abs/1611.05148. We take
    KL(q || p) at a draw of the code and not their bound, which is never smaller. Raises AerunError for more components than
    training samples.
    """

    learned = whole = True

    def __init__(self, *, latent_dim: int, components: int, start: str) -> None:
        super().__init__()
        self.components = integer("model.prior.components", components, 1)
        self.start = one_of("model.prior.start", start, ("spread", "fit"))
        self.reads_codes = self.start == "fit"
        self.centre = nn.Parameter(torch.randn(self.components, latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(self.components, latent_dim))
        self.logit = nn.Parameter(torch.zeros(self.components))

    def forward(self, z: Tensor) -> GaussianMixture:
        return GaussianMixture(len(z), self.centre, self.log_scale.exp(), self.logit.log_softmax(0))

    def assign(self, z: Tensor) -> Tensor:
        return self.forward(z).log_components(wide(z)).argmax(1)

    def prepare(self, count: int, samples: Callable[[], Iterator[Tensor]], codes: Callable[[], Tensor]) -> None:
        if self.components > count:
            raise AerunError(f"model.prior.components={self.components}: more than the {count:,} training samples.")
        if self.start == "fit":
            self._fit(codes())

    def _fit(self, z: Tensor) -> None:
        # Deferred: scikit-learn takes longer to import than a small run to train.
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture as Fit

        rows = z.double().cpu().numpy()
        fit = Fit(self.components, covariance_type="diag", reg_covar=_LEAST * float(rows.var(0).mean()) + 1e-12, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # training goes on from here
            fit.fit(rows)
        for parameter, value in (
            (self.centre, fit.means_),
            (self.log_scale, torch.from_numpy(fit.covariances_).log() / 2),
            (self.logit, torch.from_numpy(fit.weights_).clamp_min(1e-12).log()),
        ):
            parameter.copy_(torch.as_tensor(value).to(parameter))
