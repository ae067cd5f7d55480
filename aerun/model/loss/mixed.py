"""One likelihood for each column of a table: Gaussian for numbers, cross-entropy for words, Bernoulli for missing cells."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn.functional import one_hot, softplus

from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.model.loss.base import recorded
from aerun.model.loss.scaled import ScaledLoss
from aerun.vocabulary import wide

_LEAST = 1e-2  # smallest scale of a column: a column that another repeats has none of its own
_RARE = 1e-4  # smallest probability at which an output starts
Column = tuple[str, str, int, int]


class Mixed(ScaledLoss):
    """NLL_i = sum over columns of -log p(x_ic | raw_ic) in nats, (B, D) -> (B,).

    Numbers and dates: (x - raw)^2 / (2 s_c^2) + log(2 pi s_c^2) / 2, a scale s_c for each column. Categories:
    -sum_k x_k log softmax(raw_c)_k, so that a word that training has not seen, which is all zeros, adds 0. Marks of missing
    cells: softplus(raw) - x raw. What is not `seen` adds 0. x_hat: means of numbers, probabilities of words and marks.

    noise: fixed (s_c = `sigma` for good) or learned, from `sigma` on: each training batch moves s_c a tenth of the way to the
    deviation of its residuals, of which the s_c of greatest likelihood is the fixed point. s_c is kept above 0.01.
    balance: none; or column: each column's loss is divided by what the training rows give it without a code (numbers: half a
    squared error over half a variance), so that all count alike. That is no likelihood, and no figure in nats is made of it.

    Nazabal et al. 2020 (HI-VAE), https://arxiv.org/abs/1807.03653. Raises AerunError for data without columns and a sigma
    below 0.01; with reduction=mean also beside terms that are divergences of posteriors.
    """

    density = "columns"
    share: Tensor  # (D,) what each element's loss is multiplied by, where columns are balanced

    def __init__(
        self, *, noise: str, sigma: float, balance: str, reduction: str, shape: tuple[int, ...], columns: tuple[Column, ...]
    ) -> None:
        if not columns:
            raise AerunError(
                "model/loss=mixed needs a table with columns (dataset=table), and this data set has none. Use model/loss=mse, "
                "or model/loss=gaussian."
            )
        one_of("model.loss.noise", noise, ("fixed", "learned"))
        numbers = sum(kind not in ("category", "mark") for _, kind, _, _ in columns)
        super().__init__(
            scale="element" if noise == "learned" and numbers else "fixed",
            sigma=sigma,
            least=_LEAST,
            shape=(numbers,),
            activation="linear",
            reduction=reduction,
            low=None,
            high=None,
        )
        self.columns, self.numbers = columns, numbers
        self.words = [length for _, kind, _, length in columns if kind == "category"]
        self.marks = shape[0] - numbers - sum(self.words)
        self.balanced = one_of("model.loss.balance", balance, ("none", "column")) == "column"
        if self.balanced:
            self.density = ""
            self.register_buffer("share", torch.ones(shape))
        if reduction == "mean":
            self.beside_divergences = (
                "model.loss.reduction=mean: with model/loss=mixed a mean over elements is none over columns, and no likelihood "
                "to weigh a divergence against. Use model.loss.reduction=sum."
            )

    def _parts(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """Return the numbers, the words of each category, and the marks of (..., D)."""
        numbers, words, marks = x.split([self.numbers, sum(self.words), self.marks], -1)
        return numbers, words.split(self.words, -1) if self.words else (), marks

    def element(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the loss of each element, (B, D): of a category that of its word, at that word."""
        means, logits, chances = self._parts(wide(raw))
        numbers, words, marks = self._parts(x)
        losses = [self.nats(means - numbers, numbers)]
        losses += [-word * logit.log_softmax(1) for word, logit in zip(words, logits, strict=True)]
        loss = torch.cat([*losses, softplus(chances) - marks * chances], 1)
        return loss * self.share if self.balanced else loss

    def nats(self, residual: Tensor, x: Tensor) -> Tensor:
        """Return the loss of numbers (B, numbers) from raw - x; of balanced columns half the squared error."""
        if self.balanced:
            return residual.square() / 2
        return residual.square() / (2 * self.sigma.square()) + 0.5 * math.log(2 * math.pi) + self.sigma.log()

    def best(self, residual: Tensor, weight: Tensor | None) -> Tensor:
        return self.average(residual.square(), weight).sqrt()

    def forward(self, raw: Tensor, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        x = recorded(x, seen)
        if self.learned and self.training:
            there = None if seen is None else seen[:, : self.numbers].float()
            self.follow((raw - x)[:, : self.numbers].detach().float(), there)
        return self.reduce(self.element(raw, x), valid, seen)

    def activate(self, raw: Tensor) -> Tensor:
        means, logits, chances = self._parts(raw)
        return torch.cat([means, *(logit.softmax(-1) for logit in logits), chances.sigmoid()], -1)

    def deactivate(self, x: Tensor) -> Tensor:
        numbers, words, marks = self._parts(x)
        return torch.cat([numbers, *(word.clamp_min(_RARE).log() for word in words), torch.logit(marks, eps=_RARE)], -1)

    def sample(self, raw: Tensor) -> Tensor:
        means, logits, chances = self._parts(wide(raw))
        numbers = means + self.sigma * torch.randn_like(means)
        drawn = [one_hot(torch.multinomial(logit.softmax(1), 1)[:, 0], logit.shape[1]).to(means) for logit in logits]
        return torch.cat([numbers, *drawn, torch.bernoulli(chances.sigmoid())], 1)

    def floor(self, x: Tensor, valid: Tensor | None = None, seen: Tensor | None = None) -> Tensor:
        means, words, marks = self._parts(x)
        least = [self.nats(torch.zeros_like(means), means), *(torch.special.entr(word) for word in words)]
        return self.reduce(torch.cat([*least, torch.special.entr(marks) + torch.special.entr(1 - marks)], 1), valid, seen)

    @torch.no_grad()
    def prepare(self, samples: Callable[[], Iterator[Tensor]]) -> None:
        """Learn what each column costs without a code, where columns are balanced."""
        if not self.balanced:
            return
        count, total, square = 0, torch.zeros_like(self.share, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for x in samples():
            count, total, square = count + len(x), total + x.double().sum(0), square + x.double().square().sum(0)
        mean = total / count
        costs = [((square / count - mean.square()) / 2)[: self.numbers]]
        _, words, marks = self._parts(mean)
        costs += [torch.special.entr(word).sum().expand_as(word) for word in words]
        costs += [torch.special.entr(marks) + torch.special.entr(1 - marks)]
        cost = torch.cat(costs)
        self.share.copy_(torch.where(cost > _RARE, 1 / cost.clamp_min(_RARE), torch.zeros_like(cost)))

    def watch(self) -> dict[str, Tensor]:
        return {"sigma": self.sigma.mean() if self.numbers else torch.zeros(())}
