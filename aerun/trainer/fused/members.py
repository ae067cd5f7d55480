"""The weights of several autoencoders of one architecture, stacked, and their objectives in one pass."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from aerun.autoencoder import Autoencoder
from aerun.core.facts import valid_weight
from aerun.metrics.squared_error import of_elements
from aerun.trainer.fused.draws import Apart, Streams


class Batch(NamedTuple):
    """Samples x (A, B, *S) of A runs, and what is known of them; in validation (B, *S), one batch for all.

    seen: which elements were really recorded, as x; None: not told. c: what is known beforehand, (A, B, m) or (B, m); None:
    nothing.
    """

    x: Tensor
    seen: Tensor | None = None
    c: Tensor | None = None

    def tensors(self) -> list[Tensor]:
        """Return those of its tensors that are there."""
        return [t for t in self if t is not None]


class Objective(nn.Module):
    """(loss, parts (K,)) of one run, whose strengths of regularizers come from outside."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        super().__init__()
        self.autoencoder = autoencoder

    def forward(self, batch: Batch, progress: float | None, strength: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        was, self.autoencoder.strength = self.autoencoder.strength, dict(strength)
        try:
            value = self.autoencoder.objective(batch.x, progress, seen=batch.seen, c=batch.c)
            parts = torch.stack([*value.parts, *(self._watched(value.names, batch) if progress is None else [])])
            value.names.clear()
            return value.loss, parts
        finally:
            self.autoencoder.strength = was

    def _watched(self, names: Mapping[str, object], batch: Batch) -> list[Tensor]:
        """Return the figures beside the objective, and the squared error of the clean pass, summed."""
        figures = [f.to(batch.x) for f in self.autoencoder.watch(dict(names))]
        x_hat = self.autoencoder(batch.x, c=batch.c, seen=batch.seen)
        return [*figures, of_elements(x_hat, batch.x, valid_weight(None, batch.x, batch.seen)).sum()]


class Members:
    """A runs, numbered as in `autoencoders`; those that have ended are removed by `keep`.

    weights: name -> (A, *shape), what is descended; smaller codes are filled up with zeros, which masks keep: name -> 1 where a
    weight is the run's own. rest: buffers, and weights that are frozen. rates: of dropout. numbers: which runs these are.
    Names are those of a checkpoint's state_dict.
    """

    def __init__(self, autoencoders: Sequence[Autoencoder], streams: Streams) -> None:
        self.autoencoders, self.streams = autoencoders, streams
        self.numbers = list(range(len(autoencoders)))
        self.template = max(autoencoders, key=lambda a: a.code_elements)  # its mode, training or not, is that of all
        self._objective = Objective(self.template)
        self._ties = _count(self._objective, True) < _count(self._objective, False)  # looked for in every pass otherwise
        own = [dict(Objective(a).named_parameters()) for a in autoencoders]
        buffers = [dict(Objective(a).named_buffers()) for a in autoencoders]
        free = [k for k, p in own[0].items() if p.requires_grad]
        self.weights = {k: padded([p[k].detach() for p in own]).requires_grad_() for k in free}
        self.masks = {k: padded([torch.ones_like(p[k]) for p in own]) for k in free if len({p[k].shape for p in own}) > 1}
        self.rest = {k: padded([p[k].detach() for p in own]) for k in own[0] if k not in free}
        self.rest |= {k: padded([b[k] for b in buffers]) for k in buffers[0]}
        self.rates = torch.tensor([_dropout(a) for a in autoencoders], dtype=torch.float64)
        like = next(iter(self.weights.values()))
        self.strength = {k: like.new_tensor([a.strength[k] for a in autoencoders]) for k in autoencoders[0].strength}

    def __len__(self) -> int:
        return len(self.numbers)

    def objective(self, batch: Batch, progress: float | None) -> tuple[Tensor, Tensor]:
        """Return the losses (A,) and parts (A, K) of a batch.

        In validation (progress: None) one batch serves all, and the parts are followed by what is watched and by the
        squared error of the clean pass.
        """

        def one(
            weights: dict[str, Tensor],
            rest: dict[str, Tensor],
            strength: dict[str, Tensor],
            member: tuple[Tensor, Tensor],
            batch: Batch,
        ) -> tuple[Tensor, Tensor]:
            with Apart(self.streams, *member):
                values: tuple[Tensor, Tensor] = functional_call(
                    self._objective, (weights, rest), (batch, progress, strength), tie_weights=self._ties
                )
            return values

        each = Batch(*(None if t is None or progress is None else 0 for t in batch))  # type: ignore[arg-type]
        stacked = (self.weights, self.rest, self.strength, (torch.arange(len(self)), self.rates))
        losses, parts = vmap(one, in_dims=(0, 0, 0, 0, each))(*stacked, batch)
        return losses, parts

    def keep(self, rows: Sequence[int]) -> None:
        """Keep only these of the present runs."""
        self.weights = {k: select_rows(v, rows).requires_grad_() for k, v in self.weights.items()}
        self.masks = {k: select_rows(v, rows) for k, v in self.masks.items()}
        self.rest = {k: select_rows(v, rows) for k, v in self.rest.items()}
        self.rates = select_rows(self.rates, rows)
        self.strength = {k: select_rows(v, rows) for k, v in self.strength.items()}
        self.numbers = [self.numbers[i] for i in rows]
        self.streams.states = [self.streams.states[i] for i in rows]

    def stacked(self) -> dict[str, Tensor]:
        """Return all that the present runs consist of, stacked."""
        return self.weights | self.rest

    @torch.no_grad()
    def hand_back(self, number: int, source: Mapping[str, Tensor]) -> Autoencoder:
        """Return the autoencoder of run `number`, with its part of `stacked` as `source`."""
        autoencoder = self.autoencoders[number]
        own = Objective(autoencoder)
        for name, tensor in (*own.named_parameters(), *own.named_buffers()):
            tensor.copy_(part_of(source[name], tensor.shape))
        return autoencoder


def padded(tensors: Sequence[Tensor]) -> Tensor:
    """Return tensors stacked, (A, *shape); the end of smaller ones is zeros."""
    shape = [max(sizes) for sizes in zip(*(t.shape for t in tensors), strict=True)]
    stack = tensors[0].new_zeros(len(tensors), *shape)
    for row, tensor in zip(stack, tensors, strict=True):
        part_of(row, tensor.shape).copy_(tensor)
    return stack


def part_of(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return the first entries along every dimension, of this shape: what `padded` has not added."""
    return tensor[tuple(slice(n) for n in shape)]


def _count(module: nn.Module, once: bool) -> int:
    """Return the number of names of parameters and buffers; once: of each the first alone."""
    every = (*module.named_parameters(remove_duplicate=once), *module.named_buffers(remove_duplicate=once))
    return len(every)


def _dropout(autoencoder: Autoencoder) -> float:
    """Return the rate of dropout, which all layers of a model share; 0 without it."""
    return next((m.p for m in autoencoder.modules() if isinstance(m, nn.Dropout)), 0.0)


def select_rows(tensor: Tensor, rows: Sequence[int]) -> Tensor:
    """Return these rows of a stacked tensor, detached from its history."""
    return tensor.detach().index_select(0, torch.tensor(rows, device=tensor.device))
