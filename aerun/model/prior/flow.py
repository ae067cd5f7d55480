"""A learned prior: a standard normal distribution, bent by an invertible network."""

from torch import Tensor
from torch.distributions import Distribution

from aerun.core.checks import integer
from aerun.model.prior.couplings import Bent, Couplings
from aerun.parts import Prior


class Flow(Prior):
    """p(z) = N(f(z); 0, I) |det df/dz|, f `steps` couplings with networks of `hidden` units, see `couplings`; at first N(0, I).

    A code of one unit has nothing to look at: its prior stays a Gaussian. A flow as posterior that does not look at the sample
    is this prior: variational autoencoders with "linear flows" are `model=vae model/prior=flow`.
    """

    learned = whole = True

    def __init__(self, *, latent_dim: int, steps: int, hidden: int) -> None:
        super().__init__()
        steps, width = integer("model.prior.steps", steps, 1), integer("model.prior.hidden", hidden, 1)
        self.couplings = Couplings(latent_dim, steps, width)

    def forward(self, z: Tensor) -> Distribution:
        return Bent(len(z), self.couplings)
