"""A world of features as networks are thought to have them: more than dimensions, sparse, some only within others."""

import torch
from torch import Generator, Tensor
from torch.nn.functional import normalize

from aerun.core.checks import at_least, integer, one_of, within
from aerun.core.facts import Facts
from aerun.dataset.generated import Drawn, Generated, generator, samples
from aerun.preparation.base import Preparation, Unchanged
from aerun.preparation.norm import Norm

_STEPS, _RATE = 150, 0.3  # of the descent that spreads atoms
_LEAST, _FIRST = 0.01, 0.4  # p_n = max(.01, .4 / sqrt(n)): how often the n-th root fires
_LOADING = 0.15  # deviation of a root's loadings on the common causes
_STRONG, _WEAK, _DEVIATION, _BIAS = 2.5, 2.0, 0.25, 0.5


class Features(Generated):
    """x = s A + b + noise eps, rows of A N unit atoms in D = `size` dimensions, N = roots (1 + children), b of length .5.

    Atoms begin in random directions and descend ||A A' - I||^2 for 150 steps, which spreads them. Root n fires where a Gaussian
    that follows 6 common causes (loadings from N(0, .15)) exceeds the threshold with probability p_n = max(.01, .4 n^-1/2).
    With a root that fires, one of its children does with probability `child`. Strengths: max(N(m, .25), 0), m from 2.5 of the
    first to 2 of the last feature. Roots come first, then the children of the first root, of the second, ...

    A dictionary that is sparser than the world leaves out what children imply: a parent's unit falls silent where a child
    fires (absorption: Chanin et al. 2024, https://arxiv.org/abs/2409.14507). A small world of the kind of SynthSAEBench.
    """

    def __init__(
        self,
        *,
        size: int,
        roots: int,
        children: int,
        child: float,
        factors: int,
        noise: float,
        prepare: str,
        n: int,
        seed: int,
    ) -> None:
        self.size, self.roots = integer("dataset.size", size, 1), integer("dataset.roots", roots, 1)
        self.children, self.child = integer("dataset.children", children, 0), within("dataset.child", child, 0, 1)
        self.causes, self.noise = integer("dataset.factors", factors, 0), at_least("dataset.noise", noise, 0)
        self.prepare = one_of("dataset.prepare", prepare, ("none", "norm"))
        self.n, self.seed = samples(n), seed
        self.count = self.roots * (1 + self.children)
        generator(seed)

    def facts(self) -> Facts:
        prepared = (self.size,) if self.prepare == "norm" else None
        return Facts(shape=(self.size,), kind="table", unit=1.0, low=None, high=None, classes=None, prepared_from=prepared)

    def preparation(self) -> Preparation:
        return Norm(shape=(self.size,)) if self.prepare == "norm" else Unchanged()

    def atoms(self) -> Tensor:
        """Return the directions of the features, one unit column each: (size, N)."""
        return self._atoms(generator(self.seed)).t()

    def parents(self) -> Tensor:
        """Return the number of each feature's parent, -1 for roots: (N,)."""
        own = torch.arange(self.roots).repeat_interleave(self.children)
        return torch.cat([torch.full((self.roots,), -1), own])

    def _atoms(self, g: Generator) -> Tensor:
        """Return the atoms, one a row."""
        a = normalize(torch.randn(self.count, self.size, generator=g), dim=1)
        for _ in range(_STEPS):
            products = a @ a.t()
            products.fill_diagonal_(0)
            a = normalize(a - _RATE * products @ a / (1 + self.count / self.size), dim=1)
        return a

    def draw(self) -> Drawn:
        g = generator(self.seed)
        a, bias = self._atoms(g), _BIAS * normalize(torch.randn(self.size, generator=g), dim=0)
        on = self._fired(g).float()
        middle = torch.linspace(_STRONG, _WEAK, self.count)
        codes = on * torch.relu(middle + _DEVIATION * torch.randn(self.n, self.count, generator=g))
        x = codes @ a + bias + self.noise * torch.randn(self.n, self.size, generator=g)
        return Drawn(x, None, codes)

    def _fired(self, g: Generator) -> Tensor:
        """Return which features fire, (n, N) bool."""
        often = (_FIRST / torch.arange(1, self.roots + 1).sqrt()).clamp_min(_LEAST).double()
        loadings = _LOADING * torch.randn(self.causes, self.roots, generator=g)
        own = torch.randn(self.n, self.roots, generator=g)
        common = torch.randn(self.n, self.causes, generator=g) @ loadings
        level = (common + own) / (1 + loadings.square().sum(0)).sqrt()  # of variance 1
        roots = level > torch.special.ndtri(1 - often).float()
        if not self.children:
            return roots
        goes_on = roots & (torch.rand(self.n, self.roots, generator=g) < self.child)
        which = torch.randint(self.children, (self.n, self.roots), generator=g)
        children = goes_on[..., None] & (which[..., None] == torch.arange(self.children))
        return torch.cat([roots, children.flatten(1)], 1)
