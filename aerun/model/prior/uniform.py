"""A prior without a centre."""

from torch import Tensor
from torch.distributions import Distribution
from torch.distributions import Uniform as Box

from aerun.parts import Prior
from aerun.vocabulary import wide

_EDGE = 3**0.5


class Uniform(Prior):
    """p(z) is the same for all codes with units between -sqrt(3) and sqrt(3), variance 1, and 0 elsewhere.

    For terms that compare codes with draws from it, such as mmd and adversarial: a posterior is infinitely far from it.
    """

    bounded = True

    def forward(self, z: Tensor) -> Distribution:
        edge = wide(z).new_full((), _EDGE)
        return Box(-edge, edge, validate_args=False).expand(z.shape)
