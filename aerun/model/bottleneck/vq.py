"""A discrete code: the nearest entries of a learned codebook."""

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding

from aerun.core.checks import at_least, integer, one_of, within
from aerun.core.errors import AerunError
from aerun.model.bottleneck.codebook import Codebook
from aerun.parts import Discrete
from aerun.vocabulary import wide

_VECTORS = 10  # for each code, that k-means begins from


class Vq(Discrete):
    """z = e_k, k = argmin_k ||h - e_k||^2, the vector h at each place cut into `groups` parts that share one codebook.

    (B, d, *grid) -> (B, d, *grid), codebook e (codes, d / groups). Both passes are the same. Gradients pass straight through:
    dz/dh = 1. `penalty` = commitment * sum ||h - e_k||^2 over places and groups, (B,), keeps the encoder near its codes. The
    codebook has no gradient: in training mode e_k follows the running mean of the vectors that chose it, after each pass
    N_k <- decay N_k + (1 - decay) n_k and e_k <- e_k + (1 - decay) (sum h - n_k e_k) / N_k. A code that no vector has chosen
    for `restart_after` training samples becomes a random vector of the batch; so do all codes in the first batch. All of
    this is done in 32 bits.

    stages: residual quantization. Each stage has a codebook of its own for what those before it leave: r_0 = h, e_s the code
            nearest to r_(s-1), r_s = r_(s-1) - e_s, and z = sum_s e_s. Gradients pass straight through the sum, dz/dh = 1, and
            the commitment is the sum over stages of ||r_(s-1) - e_s||^2. The numbers of a code are those of stage 1, of stage
            2 and so on: the first ones are a coarser code, which `regularizer=nested` trains the decoder to read.
    shared: whether groups share a codebook; otherwise each has its own.
    start:  batch, codes begin as vectors of the first batch; kmeans, as the centres of k-means on the features of as many
            training samples as give each code 10 vectors (fewer where there are not as many), of later stages on residuals.

    Watched, of a validation batch: perplexity, exp of the entropy of its codes' frequencies, the mean over codebooks; used, the
    number of different codes in it, over all of them; bits, log2(codes) for each place, group and stage. Raises AerunError
    where d is not divisible by `groups`.
    van den Oord, Vinyals & Kavukcuoglu 2017, https://arxiv.org/abs/1711.00937 (appendix A.1: running means); restarts:
    Dhariwal et al. 2020, https://arxiv.org/abs/2005.00341; stages: Zeghidour et al. 2021, https://arxiv.org/abs/2107.03312
    """

    offers = frozenset({"penalty", "prefixes"})
    watches = ("perplexity", "used", "bits")
    follows_batches = True
    cut_by = "model.bottleneck.stages is 2 or more"

    codebook: Tensor
    mass: Tensor
    idle: Tensor

    def __init__(
        self,
        *,
        latent_dim: int,
        codes: int,
        groups: int,
        stages: int,
        shared: bool,
        start: str,
        decay: float,
        commitment: float,
        restart_after: int,
    ) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.codes = integer("model.bottleneck.codes", codes, 2)
        self.groups = integer("model.bottleneck.groups", groups, 1)
        if latent_dim % groups:
            raise AerunError(
                f"model.bottleneck.groups={groups}: equal parts of a code need a divisor of model.latent_dim={latent_dim}."
            )
        self.stages = integer("model.bottleneck.stages", stages, 1)
        self.can_be_cut, self.piece = self.stages > 1, "stage" if self.stages > 1 else "unit"
        self.start = one_of("model.bottleneck.start", start, ("batch", "kmeans"))
        self.levels = (self.codes,) * (self.stages * self.groups)
        self.decay = within("model.bottleneck.decay", decay, 0, 1)
        if self.decay == 1:
            raise AerunError("model.bottleneck.decay=1: the codebook would never move. Use a value below 1, 0.99 say.")
        self.commitment = at_least("model.bottleneck.commitment", commitment, 0)
        self.restart_after = integer("model.bottleneck.restart_after", restart_after, 1)
        self._apart = 1 if shared else self.groups  # codebooks of a stage
        books = self.stages * self._apart
        several = () if books == 1 else (books,)
        self.register_buffer("codebook", torch.randn(*several, codes, latent_dim // groups))
        self.register_buffer("mass", torch.ones(*several, codes))
        self.register_buffer("idle", torch.full((*several, codes), restart_after))  # so that the first batch sets every code

    @property
    def features(self) -> int:
        return self.latent_dim

    @property
    def pieces(self) -> int:
        return self.stages if self.stages > 1 else self.latent_dim

    def first(self, h: Tensor, size: int) -> Tensor:
        return self.lookup(self.indices(h)[:, : size * self.groups])

    def indices(self, h: Tensor) -> Tensor:
        """Map h (B, d, *grid) to the numbers of its codes (B, stages * groups, *grid)."""
        numbers = [chosen for chosen, _ in self._by_stage(wide(h))]
        return numbers[0] if len(numbers) == 1 else torch.cat(numbers, 1)

    def lookup(self, indices: Tensor) -> Tensor:
        """Map numbers (B, stages * groups, *grid) to z (B, d, *grid); those of the first stages alone to theirs."""
        stages = zip(self._books(), indices.split(self.groups, 1), strict=False)  # of the first ones alone, too
        *_, z = accumulate(self._codes(books, part) for books, part in stages)
        return z

    def nearest(self, z: Tensor) -> Tensor:
        """Return the code of z: stage by stage, so that with several of them z itself need not be found again."""
        return self.code(z)

    def forward(self, h: Tensor) -> dict[str, Any]:
        sums = list(accumulate(e for _, e in self._by_stage(wide(h.detach()), self.training)))
        straight = h - h.detach()
        if len(sums) == 1:
            return {"z": sums[0] + straight, "penalty": self.commitment * (h - sums[0]).square().flatten(1).sum(1)}
        prefixes = torch.stack(sums)
        penalty = self.commitment * (h - prefixes).square().flatten(2).sum((0, 2))
        return {"z": sums[-1] + straight, "penalty": penalty, "prefixes": prefixes + straight}

    def prepare(self, count: int, features: Callable[[int], Tensor]) -> None:
        places = max(1, features(1)[0, 0].numel()) if self.start == "kmeans" else 1
        if self.start == "batch" or bool((self.idle < self.restart_after).any()):  # codes that another run has brought
            return
        vectors = self.groups // self._apart * places  # of a sample, for one codebook
        rest = wide(features(min(count, -(-_VECTORS * self.codes // vectors))))
        for books in self._books():
            own = self._vectors(rest)
            for book, part in zip(books, own, strict=True):
                book.start_at_centres(part)
            rest = rest - self._codes(books, self._choose(books, rest, own))

    def _by_stage(self, rest: Tensor, learn: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the numbers (B, groups, *grid) and the codes (B, d, *grid) of each stage; learn: move the codebooks."""
        for s, books in enumerate(self._books()):
            vectors = self._vectors(rest)
            chosen = self._choose(books, rest, vectors, learn)
            e = self._codes(books, chosen)
            if learn:
                self._follow(books, vectors, chosen)
            yield chosen, e
            if s + 1 < self.stages:
                rest = rest - e

    def _choose(self, books: list[Codebook], rest: Tensor, vectors: list[Tensor], learn: bool = False) -> Tensor:
        """Return the numbers (B, groups, *grid) of the codes of one stage, for what is left and its vectors."""
        numbers = []
        for book, own in zip(books, vectors, strict=True):
            if learn:
                book.restart(own, self.restart_after)
            numbers.append(book.nearest(own).view(rest.shape[0], self.groups // self._apart, *rest.shape[2:]))
        return numbers[0] if len(numbers) == 1 else torch.cat(numbers, 1)

    def _follow(self, books: list[Codebook], vectors: list[Tensor], chosen: Tensor) -> None:
        for i, (book, own) in enumerate(zip(books, vectors, strict=True)):
            numbers = chosen if self._apart == 1 else chosen[:, i]
            book.follow(own, numbers.reshape(-1), len(chosen), self.decay)

    def _codes(self, books: list[Codebook], numbers: Tensor) -> Tensor:
        """Map the numbers (B, groups, *grid) of one stage to its codes (B, d, *grid)."""
        if self._apart == 1:
            parts = embedding(numbers, books[0].codes)  # (B, groups, *grid, d / groups)
        else:
            parts = torch.stack([embedding(numbers[:, i], book.codes) for i, book in enumerate(books)], 1)
        return parts.movedim(-1, 2).reshape(numbers.shape[0], self.latent_dim, *numbers.shape[2:])

    def _vectors(self, h: Tensor) -> list[Tensor]:
        """Map (B, d, *grid) to the vectors (N, d / groups) of each codebook of a stage."""
        width = self.codebook.shape[-1]
        parts = h.reshape(h.shape[0], self.groups, width, -1).movedim(2, -1)
        return [parts.reshape(-1, width)] if self._apart == 1 else [parts[:, i].reshape(-1, width) for i in range(self.groups)]

    def _books(self) -> list[list[Codebook]]:
        """Return the codebooks of each stage, views of the buffers."""
        buffers = (self.codebook, self.mass, self.idle)
        each = [buffers] if self.mass.ndim == 1 else list(zip(*(b.unbind(0) for b in buffers), strict=True))
        books = [Codebook(*views) for views in each]
        return [books[i : i + self._apart] for i in range(0, len(books), self._apart)]

    def watch(self, h: Tensor) -> dict[str, Tensor]:
        counts = []
        for books, (chosen, _) in zip(self._books(), self._by_stage(wide(h)), strict=True):
            for i, book in enumerate(books):
                counts.append(book.counts((chosen if self._apart == 1 else chosen[:, i]).reshape(-1)))
        each = torch.stack(counts)
        entropy = torch.special.entr(each / each.sum(1, keepdim=True)).sum(1)
        bits = each.new_tensor(self.bits(h[0, 0].numel()))
        return {"perplexity": entropy.exp().mean(), "used": (each > 0).sum(), "bits": bits}
