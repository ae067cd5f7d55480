"""Random numbers of several runs at once: each draws from a stream of its own, in the order in which it would draw alone."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from aerun.trainer.fused.tape import Tape

_DRAWS = {
    *(torch.rand, torch.randn, torch.randint, torch.randperm, torch.rand_like, torch.randn_like, torch.randint_like),
    *(torch.bernoulli, torch.normal, torch.multinomial, torch.poisson),
    *(Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_, Tensor.exponential_, Tensor.random_),
}


class Streams:
    """One state of torch's default generators for each run."""

    def __init__(self, device: torch.device) -> None:
        self.generators: list[torch.Generator] = [torch.default_generator]
        if device.type == "cuda":
            self.generators.append(torch.cuda.default_generators[device.index or 0])
        self.states: list[list[Tensor]] = []
        self.tape: Tape | None = None  # that writes down what is drawn

    def seed(self, seeds: Sequence[int]) -> None:
        """Begin anew: run i as after `torch.manual_seed(seeds[i])`."""
        self.states = [[g.manual_seed(seed).get_state() for g in self.generators] for seed in seeds]

    def draw(self, number: int, function: Callable[[], Tensor]) -> Tensor:
        """Return what `function` draws from the stream of run `number`."""
        for generator, state in zip(self.generators, self.states[number], strict=True):
            generator.set_state(state)
        drawn = function()
        self.states[number] = [g.get_state() for g in self.generators]
        return drawn


class Apart(TorchFunctionMode):
    """Within `vmap` over the runs: whatever torch would draw is drawn for each from its own stream.

    member: the number of a run in `streams`; rate: of its dropout; both are mapped over. Inplace functions return what they
    drew and leave their tensor alone.
    """

    def __init__(self, streams: Streams, member: Tensor, rate: Tensor) -> None:
        super().__init__()
        self.streams, self.member, self.rate = streams, member, rate

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is functional.dropout:
            return self._dropout(*args, **kwargs)
        if func not in _DRAWS:
            return func(*args, **kwargs)
        leaves, spec = tree_flatten((args, kwargs))
        return _Draw.apply(self.streams, func, spec, self.member, *leaves)

    def _dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training:
            return x
        leaves, spec = tree_flatten(((x.detach(), 1 - self.rate), {}))
        kept: Tensor = _Draw.apply(self.streams, _kept, spec, self.member, *leaves)
        return x * kept


def _kept(like: Tensor, p: Tensor) -> Tensor:
    """Return 1 / p with probability p, else 0: as torch's dropout draws it."""
    return torch.empty_like(like).bernoulli_(float(p)).div_(float(p))


class _Draw(torch.autograd.Function):
    """func(*leaves) for each run, stacked; carries no gradient."""

    @staticmethod
    def forward(streams: Streams, func: Any, spec: TreeSpec, member: Tensor, *leaves: Any) -> Tensor:
        args, kwargs = tree_unflatten(leaves, spec)
        return streams.draw(int(member), lambda: func(*args, **kwargs))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, ...]:  # pragma: no cover - there is nothing to pass on
        return (None,) * len(ctx.needs_input_grad)

    @staticmethod
    def vmap(
        info: Any, dims: Any, streams: Streams, func: Any, spec: TreeSpec, member: Tensor, *leaves: Any
    ) -> tuple[Tensor, int]:
        numbers = range(info.batch_size)  # as `member` has them, whose values would be read

        def draw(*leaves: Any) -> Tensor:
            return _each(streams, func, spec, numbers, dims[4:], leaves)

        return (draw(*leaves) if streams.tape is None else streams.tape.draw(draw, leaves)), 0


def _each(streams: Streams, func: Any, spec: TreeSpec, numbers: Sequence[int], dims: Any, leaves: Sequence[Any]) -> Tensor:
    """Return what each run draws of its part of the leaves, stacked."""
    drawn = []
    for number in numbers:
        mine = [x if dim is None else x.select(dim, number) for x, dim in zip(leaves, dims, strict=True)]
        if func.__name__.endswith("_"):
            mine[0] = mine[0].clone()
        args, kwargs = tree_unflatten(mine, spec)
        drawn.append(streams.draw(number, lambda a=args, k=kwargs: func(*a, **k)))  # type: ignore[misc]
    return torch.stack(drawn)
