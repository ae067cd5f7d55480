"""Parts as a stranger writes them: from the public names alone, in a module that aerun knows nothing of."""

import torch

from aerun import Bottleneck, Corruption, Discrete, Hiding, Loss


class Grid(Discrete):
    """Each unit is one of so many levels between -1 and 1: finite scalar quantization."""

    def __init__(self, *, latent_dim, levels):
        super().__init__()
        self.latent_dim, self.levels = latent_dim, tuple(levels)
        self.register_buffer("most", torch.tensor(self.levels) - 1.0)

    @property
    def features(self):
        return self.latent_dim

    def _steps(self, z):
        return ((z.movedim(1, -1) + 1) / 2 * self.most).round().long().movedim(-1, 1)

    def indices(self, h):
        return self._steps(torch.tanh(h))

    def lookup(self, indices):
        return (indices.movedim(1, -1) / self.most * 2 - 1).movedim(-1, 1)

    def nearest(self, z):
        return self.lookup(self._steps(z.clamp(-1, 1)))

    def forward(self, h):
        soft = torch.tanh(h)
        return {"z": soft + (self.code(h) - soft).detach()}


class Silent(Grid):
    """The same of softer steps, so that a code is not its own code; it does not say what is nearest."""

    nearest = Discrete.nearest

    def indices(self, h):
        return self._steps(torch.tanh(h / 4))


class Shy(Grid):
    """The same, which does not say its levels."""

    def __init__(self, *, latent_dim, levels):
        super().__init__(latent_dim=latent_dim, levels=levels)
        self.levels = ()


class Halves(Bottleneck):
    """Real codes of half the features' size."""

    def __init__(self, *, latent_dim):
        super().__init__()
        self.latent_dim = latent_dim

    @property
    def features(self):
        return 2 * self.latent_dim

    def code(self, h):
        a, b = h.chunk(2, 1)
        return a * b

    def forward(self, h):
        return {"z": self.code(h)}


class Laplace(Corruption):
    """x_in = x + noise of heavy tails."""

    def __init__(self, *, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return {"x_in": x + torch.distributions.Laplace(0.0, self.scale).sample(x.shape).to(x)}


class Left(Hiding):
    """The left half is hidden."""

    fill = 0.25

    def __init__(self, *, show_mask):
        super().__init__(show_mask=show_mask)

    def hidden(self, x):
        return (torch.arange(x.shape[-1], device=x.device) < x.shape[-1] // 2).expand_as(x)


class Charbonnier(Loss):
    """sum_d sqrt(r_d^2 + eps^2) - eps."""

    def __init__(self, *, eps):
        super().__init__()
        self.eps = eps

    def activate(self, raw):
        return raw

    def deactivate(self, x):
        return x

    def forward(self, raw, x):
        return ((raw - x).square() + self.eps**2).sqrt().sub(self.eps).flatten(1).sum(1)
