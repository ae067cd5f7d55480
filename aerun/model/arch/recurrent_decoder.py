"""Decoders that write a sequence from a code: from the code alone at every step, or from their own last output too."""

import math
from abc import ABC, abstractmethod
from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from aerun.vocabulary import Function, wide

State = tuple[Tensor, ...]  # (h, c) of an lstm, (h,) of a gru
CELLS: dict[str, tuple[type[nn.LSTM | nn.GRU], type[nn.LSTMCell | nn.GRUCell]]] = {
    "lstm": (nn.LSTM, nn.LSTMCell),
    "gru": (nn.GRU, nn.GRUCell),
}


def remembering(cells: nn.Module, cell: str, hidden: int) -> None:
    """Let the forget gates of an lstm start open, with a bias of 1.

    Jozefowicz et al. 2015, https://proceedings.mlr.press/v37/jozefowicz15.html
    """
    if cell == "gru":
        return
    for name, bias in cells.named_parameters():
        if "bias" in name:
            nn.init.constant_(bias[hidden : 2 * hidden], 1.0 if "bias_ih" in name else 0.0)


def run(rnn: nn.RNNBase, x: Tensor, state: State | None, differentiable: bool) -> Tensor:
    """Return the outputs (B, T, hidden) of all steps in one call, in at least 32 bits.

    Errors of a state add up, and not every CPU has bf16.

    differentiable: the gradient will be differentiated itself, or computed in eval mode. cuDNN can do neither and is not used.
    """
    initial = None if state is None else tuple(wide(part) for part in state)
    own = torch.backends.cudnn.flags(enabled=False) if differentiable and x.is_cuda else nullcontext()
    with torch.autocast(x.device.type, enabled=False), own:
        out: Tensor = rnn(wide(x), initial if initial is None or len(initial) > 1 else initial[0])[0]
    return out


class Start(nn.Module):
    """z (B, d) -> first state of every layer, (layers, B, hidden) each: of an lstm h = tanh(a) and c = b, of a gru tanh(a)."""

    def __init__(self, latent_dim: int, cell: str, hidden: int, layers: int) -> None:
        super().__init__()
        self.shape = (2 if cell == "lstm" else 1, layers, hidden)
        self.affine = nn.Linear(latent_dim, math.prod(self.shape))

    def forward(self, z: Tensor) -> State:
        h, *c = self.affine(z).unflatten(1, self.shape).movedim(0, 2).contiguous()
        return torch.tanh(h), *c


class Writer(nn.Module, ABC):
    """z (B, d) -> raw (B, T, F), step by step in the order of writing. Modules are in order from z to raw."""

    out: nn.Linear

    @abstractmethod
    def forward(self, z: Tensor, steps: int, mean: Tensor, truth: Tensor | None, p: float) -> Tensor:
        """Return raw (B, steps, F) of z (B, d).

        mean (F,): of the data. truth (B, T, F): less the mean, fed instead of an output with probability p.
        """


class Repeat(Writer):
    """s_0 = start(z), s_t = cell(z, s_{t-1}), y_t = A s_t + b: nothing is fed back, so all steps are one call."""

    def __init__(self, *, cell: str, latent_dim: int, hidden: int, layers: int, size: int) -> None:
        super().__init__()
        self.start = Start(latent_dim, cell, hidden, layers)
        self.cells = CELLS[cell][0](latent_dim, hidden, layers, batch_first=True)
        remembering(self.cells, cell, hidden)
        self.out = nn.Linear(hidden, size)

    def forward(self, z: Tensor, steps: int, mean: Tensor, truth: Tensor | None, p: float) -> Tensor:
        fed = z[:, None].expand(-1, steps, -1)
        raw: Tensor = self.out(run(self.cells, fed, self.start(z), z.requires_grad and not self.training))
        return raw


class Autoregressive(Writer):
    """s_0 = start(z), s_t = cell([E u_{t-1}, z], s_{t-1}), y_t = A s_t + b, u_t = activate(y_t) less the mean, u_0 = 0.

    E: the embedding of symbols for text, the identity for numbers. Where it is taught, u_t of each sample is the truth
    with probability p (scheduled sampling, Bengio et al. 2015, https://arxiv.org/abs/1506.03099). The code is read at every
    step beside the output: from the first state alone, waves of 40 steps are reconstructed three times worse.
    """

    def __init__(
        self, *, cell: str, latent_dim: int, hidden: int, layers: int, size: int, text: bool, activate: Function
    ) -> None:
        super().__init__()
        self.start = Start(latent_dim, cell, hidden, layers)
        width, self.embed = embedding(size, hidden, text)
        width += latent_dim
        self.cells = nn.ModuleList(CELLS[cell][1](hidden if layer else width, hidden) for layer in range(layers))
        remembering(self.cells, cell, hidden)
        self.out = nn.Linear(hidden, size)
        self.activate = activate

    def forward(self, z: Tensor, steps: int, mean: Tensor, truth: Tensor | None, p: float) -> Tensor:
        if torch.compiler.is_exporting():
            return self._write_as_loop(z, steps, mean)
        with torch.autocast(z.device.type, enabled=False):  # as in `run`
            return self._write(wide(z), steps, mean, truth, p)

    def _write(self, z: Tensor, steps: int, mean: Tensor, truth: Tensor | None, p: float) -> Tensor:
        states: list[State] = list(zip(*(part.unbind(0) for part in self.start(z)), strict=True))
        fed, outputs = z.new_zeros(z.shape[0], mean.shape[0]), []
        for step in range(steps):
            raw, fed, states = self._next(z, fed, states, mean)
            outputs.append(raw)
            if truth is not None and p > 0:
                fed = torch.where(torch.rand_like(fed[:, :1]) < p, truth[:, step], fed)
        return torch.stack(outputs, 1)

    def _write_as_loop(self, z: Tensor, steps: int, mean: Tensor) -> Tensor:
        """Return the same with one step as a function, so that an export holds it once and not `steps` times."""
        # Deferred: exports alone need it, and torch has no public name for it yet.
        from torch._higher_order_ops.scan import scan

        parts = self.start(z)  # (layers, B, hidden) each
        layers = len(self.cells)

        def step(carried: list[Tensor], _: Tensor) -> tuple[list[Tensor], Tensor]:
            fed, *flat = carried
            states = [tuple(flat[layer::layers]) for layer in range(layers)]
            raw, fed, states = self._next(z, fed, states, mean)
            return [fed, *(part for parts in zip(*states, strict=True) for part in parts)], raw.clone()

        first = [z.new_zeros(z.shape[0], mean.shape[0]), *(layer.clone() for part in parts for layer in part.unbind(0))]
        _, raw = scan(step, first, z.new_zeros(steps, 1))
        return cast(Tensor, raw).transpose(0, 1)

    def _next(self, z: Tensor, fed: Tensor, states: list[State], mean: Tensor) -> tuple[Tensor, Tensor, list[State]]:
        """Return one step's raw (B, F), what the next step is fed (B, F), and the new states of all layers."""
        top, states = self._step(torch.cat([self.embed(fed), z], 1), states)
        raw = self.out(top)
        return raw, self.activate(raw[:, None])[:, 0] - mean, states

    def _step(self, x: Tensor, states: list[State]) -> tuple[Tensor, list[State]]:
        """Return the top layer's output (B, hidden) and the new states after one step.

        x (B, width): what the first layer reads. states: of all layers.
        """
        after = []
        for cell, before in zip(self.cells, states, strict=True):
            new = cell(x, before if len(before) > 1 else before[0])
            after.append(new if isinstance(new, tuple) else (new,))
            x = after[-1][0]
        return x, after


def embedding(size: int, hidden: int, text: bool) -> tuple[int, nn.Module]:
    """Return the width of what the cells read, and the module that makes it.

    For text it is a bias-free map of one-hot rows, for numbers the identity.
    """
    return (hidden, nn.Linear(size, hidden, bias=False)) if text else (size, nn.Identity())
