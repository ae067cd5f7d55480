"""Frozen layers that are told in words, so that a config can hold them: nothing of where they come from is needed again."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from aerun.core.errors import AerunError
from aerun.model.arch.conv_layers import Swap
from aerun.model.arch.layers import ACTIVATIONS

TAP = "tap"  # in place of a layer: what is there is a feature
INPUT = "input"  # the first words: the shape of what is taken off the input, and of what it is multiplied by


class _Batch(nn.Module):
    """Batch normalization with the means and variances of another training, whatever mode it is in: (B, n, ...) likewise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        found = dict(self.named_buffers())
        return batch_norm(x, found["running_mean"], found["running_var"], found["weight"], found["bias"])


_KINDS: Mapping[str, tuple[int, Callable[..., nn.Module]]] = {  # how many numbers, and the layer
    "linear": (2, nn.Linear),
    "conv1d": (5, nn.Conv1d),  # channels in and out, kernel, stride, padding
    "conv2d": (5, nn.Conv2d),
    "batch": (1, _Batch),
    "layer": (1, nn.LayerNorm),
    "group": (1, lambda channels: nn.GroupNorm(1, channels)),
    "pool": (0, lambda: nn.MaxPool2d(2)),
    "flatten": (0, nn.Flatten),
    "swap": (0, Swap),
    **{name: (0, make) for name, make in ACTIVATIONS.items()},
}
_TENSORS = ("weight", "bias", "running_mean", "running_var")
_ACTIVATIONS = {type(make()): name for name, make in ACTIVATIONS.items()}


class Stack(nn.Module):
    """(x - centre) scale through layers, of which each `tap` gives a feature: (B, *S) -> a list of tensors.

    words: such as [input 1 28 28, flatten, linear 784 64, relu, tap]. Nothing of it is ever trained, and normalizations are as
    in evaluation. Raises AerunError for words that are no layers.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        named = [word.split() for word in words]
        if not named or named[0][:1] != [INPUT] or [TAP] not in named:
            raise AerunError(
                f"reg.terms.perceptual.network: the first words are `{INPUT}` and a shape, and one at least is `{TAP}`."
            )
        shape = _numbers(named[0])
        self.register_buffer("centre", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))
        self.layers = nn.ModuleList(nn.Identity() if name == [TAP] else _layer(name) for name in named[1:])
        self.taps = frozenset(place for place, name in enumerate(named[1:]) if name == [TAP])
        self.requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        h, features = (x - self.centre) * self.scale, []
        for place, layer in enumerate(self.layers):
            h = layer(h)
            if place in self.taps:
                features.append(h)
        return features


def _layer(words: Sequence[str]) -> nn.Module:
    count, make = _KINDS.get(words[0] if words else "", (-1, nn.Identity))
    numbers = _numbers(words)
    if len(numbers) != count:
        raise AerunError(
            f"reg.terms.perceptual.network: `{' '.join(words)}` is no layer; layers are {', '.join(_KINDS)}, with their sizes."
        )
    return make(*numbers)


def _numbers(words: Sequence[str]) -> list[int]:
    numbers = [int(word) for word in words[1:] if word.isdecimal()]
    if len(numbers) < len(words) - 1 or (numbers and min(numbers[:3]) < 1):
        raise AerunError(f"reg.terms.perceptual.network: `{' '.join(words)}`: sizes are positive integers.")
    return numbers


def told(modules: Iterable[nn.Module], centre: Tensor) -> tuple[list[str], dict[str, Tensor]]:
    """Return the words of a stack with the hidden layers of an encoder, each a feature behind its activation, and its weights.

    centre: what is taken off the input. What follows the last activation, the code, is left out, and so is dropout. Raises
    AerunError for modules that no words tell, and where there is no hidden layer.
    """
    words, weights = [f"{INPUT} {' '.join(map(str, centre.shape))}"], {"centre": centre, "scale": torch.ones_like(centre)}
    for module in modules:
        if isinstance(module, nn.Dropout | nn.Identity):
            continue
        place = len(words) - 1
        words.append(_words(module))
        found = {name: getattr(module, name, None) for name in _TENSORS}
        weights |= {f"layers.{place}.{k}": v.detach().clone() for k, v in found.items() if isinstance(v, Tensor)}
        if type(module) in _ACTIVATIONS:
            words.append(TAP)
    if TAP not in words:
        raise AerunError("it has no hidden layer, whose features could be compared. Choose a run with model.arch.hidden.")
    words = words[: len(words) - words[::-1].index(TAP)]
    kept = [f"layers.{place}." for place in range(len(words) - 1)]
    return words, {k: v for k, v in weights.items() if k in ("centre", "scale") or k.startswith(tuple(kept))}


def _words(module: Any) -> str:
    """Return a layer in words. Raises AerunError where it is none of those that there are words for."""
    if type(module) in _ACTIVATIONS:
        return _ACTIVATIONS[type(module)]
    if isinstance(module, nn.Linear):
        return f"linear {module.in_features} {module.out_features}"
    if isinstance(module, nn.Conv1d | nn.Conv2d) and _is_plain(module):
        axes = "conv1d" if isinstance(module, nn.Conv1d) else "conv2d"
        sizes = (module.in_channels, module.out_channels, module.kernel_size[0], module.stride[0], int(module.padding[0]))
        return f"{axes} {' '.join(map(str, sizes))}"
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        return f"batch {module.num_features}"
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) == 1:
        return f"layer {module.normalized_shape[0]}"
    if isinstance(module, nn.GroupNorm) and module.num_groups == 1:
        return f"group {module.num_channels}"
    if isinstance(module, nn.Flatten | Swap):
        return type(module).__name__.lower()
    raise AerunError(
        f"its encoder is no stack of plain layers ({type(module).__name__}). Choose a run of model/arch=mlp or model/arch=conv."
    )


def _is_plain(module: nn.Conv1d | nn.Conv2d) -> bool:
    same = all(len(set(sizes)) == 1 for sizes in (module.kernel_size, module.stride, module.padding))
    dilated = any(d != 1 for d in module.dilation)
    return same and not dilated and module.groups == 1 and module.padding_mode == "zeros" and module.bias is not None
