"""Each number of a discrete code, given those before it."""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from aerun.core.errors import AerunError
from aerun.evaluate.samplers.code_prior import CodePrior, Steps, padded
from aerun.evaluate.samplers.counts import Counts
from aerun.evaluate.samplers.training import best_of

_LAYERS, _WIDTH, _HEADS = 2, 64, 4
_ROWS = 256  # codes in a step of training, fewer of long ones
_POSITIONS, _TOKENS, _KEPT = 1024, 4096, 1 << 16  # most of a code; of a step of training; of codes gone through together


class Transformer(CodePrior):
    """A decoder of two layers of width 64 with four heads, over the numbers of a code in raster order.

    It begins as `counts`, is trained as `best_of` says, and so stays that where the codes support nothing better.
    """

    def __init__(self, network: "_Network") -> None:
        self.network, self.levels = network, network.levels

    @classmethod
    def fitted(cls, rows: Tensor, levels: Sequence[int], seed: int) -> Self:
        if len(levels) > _POSITIONS:
            raise AerunError(
                f"sampler=transformer: a code of {len(levels):,} numbers; {_POSITIONS:,} are the most. Use counts."
            )
        torch.manual_seed(seed)
        network = _Network(levels).to(rows.device)

        def begin(own: Tensor) -> None:
            network.start.copy_(Counts.fitted(own, levels, seed).p.clamp_min(1e-30).log())

        best_of(network, rows, lambda part: -network.log_p(part).sum(1), begin, min(_ROWS, max(8, _TOKENS // len(levels))))
        return cls(network.double().eval())

    @classmethod
    def restored(cls, arrays: Mapping[str, Tensor], levels: Sequence[int]) -> Self:
        network = _Network(levels).double()
        network.load_state_dict({k: arrays[k] for k in network.state_dict()})
        return cls(network.eval())

    def arrays(self) -> dict[str, Tensor]:
        return dict(self.network.state_dict())

    def log_p(self, rows: Tensor) -> Tensor:
        return self.network.log_p(rows)

    @property
    def rows_at_once(self) -> int:
        return max(1, min(super().rows_at_once, _KEPT // len(self.levels)))

    def steps(self, n: int) -> Steps:
        return _Following(self.network, n)


class _Following(Steps):
    """Keeps the keys and values of the positions that are done, so that each is computed once."""

    def __init__(self, network: "_Network", n: int) -> None:
        self.network, self.n, self.at = network, n, 0
        self.kept: list[tuple[Tensor, Tensor]] = [(network.start.new_zeros(0), network.start.new_zeros(0))] * _LAYERS

    @torch.no_grad()
    def __call__(self, last: Tensor | None) -> Tensor:
        net, t = self.network, self.at
        x = net.places[t].expand(self.n, 1, -1)
        if last is not None:
            x = x + net.numbers(last[:, None] + net.first[t - 1])
        for i, layer in enumerate(net.layers):
            x, self.kept[i] = layer(x, self.kept[i])
        self.at += 1
        return net.logits(x, slice(t, t + 1))[:, 0].softmax(-1)


class _Network(nn.Module):
    """Numbers (n, P) to the logits of each given those before it. What a position sees: its place, and the last number."""

    start: Tensor
    first: Tensor
    own: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.kinds = _period(self.levels)  # numbers at each place of a grid
        own, most = self.levels[: self.kinds], max(self.levels)
        self.places = nn.Parameter(0.02 * torch.randn(len(levels), _WIDTH))
        self.numbers = nn.Embedding(sum(own), _WIDTH)
        nn.init.normal_(self.numbers.weight, std=0.02)
        self.layers = nn.ModuleList(_Layer() for _ in range(_LAYERS))
        self.norm = nn.LayerNorm(_WIDTH)
        self.heads = nn.Parameter(torch.zeros(self.kinds, most, _WIDTH))
        self.register_buffer("start", torch.zeros(len(levels), most))
        first = torch.tensor([sum(own[: t % self.kinds]) for t in range(len(levels))])
        self.register_buffer("first", first, persistent=False)
        self.register_buffer("own", padded(levels, first), persistent=False)

    def log_p(self, rows: Tensor) -> Tensor:
        """Return log p (n, P) of numbers (n, P) given those before."""
        before = self.numbers(rows[:, :-1] + self.first[:-1])
        x = self.places + torch.cat([before.new_zeros(len(rows), 1, _WIDTH), before], 1)
        for layer in self.layers:
            x, _ = layer(x, None)
        return self.logits(x, slice(None)).log_softmax(-1).gather(2, rows[:, :, None])[:, :, 0]

    def logits(self, x: Tensor, at: slice) -> Tensor:
        """Return the logits (n, T, A) of features (n, T, width) at some positions."""
        kinds = torch.arange(len(self.levels), device=x.device)[at] % self.kinds
        logits = torch.einsum("ntw,taw->nta", self.norm(x), self.heads[kinds]) + self.start[at]
        return logits.masked_fill(~self.own[at], float("-inf"))


class _Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.before, self.behind = nn.LayerNorm(_WIDTH), nn.LayerNorm(_WIDTH)
        self.attend, self.join = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.apart = nn.Sequential(nn.Linear(_WIDTH, 4 * _WIDTH), nn.GELU(), nn.Linear(4 * _WIDTH, _WIDTH))

    def forward(self, x: Tensor, kept: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Map features (n, T, width) to such, and return keys and values; kept: those of the positions before, if any."""
        q, k, v = (part.unflatten(2, (_HEADS, -1)).transpose(1, 2) for part in self.attend(self.before(x)).chunk(3, -1))
        if kept is not None and kept[0].numel():
            k, v = torch.cat([kept[0], k], 2), torch.cat([kept[1], v], 2)
        seen = scaled_dot_product_attention(q, k, v, is_causal=kept is None)
        x = x + self.join(seen.transpose(1, 2).flatten(2))
        return x + self.apart(self.behind(x)), (k, v)


def _period(levels: tuple[int, ...]) -> int:
    """Return the least number of levels whose repetition they all are."""
    return next(k for k in range(1, len(levels) + 1) if len(levels) % k == 0 and levels == levels[:k] * (len(levels) // k))
