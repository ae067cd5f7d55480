"""The convolutions of VGG networks, recognized in their weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.regularizer.stack import TAP

_STAGES = {  # convolutions of each of the five stages, of _CHANNELS channels
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
_CHANNELS = (64, 128, 256, 512, 512)
_NORMALIZED = "_bn"
NAMES = tuple(name + norm for name in _STAGES for norm in ("", _NORMALIZED))
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the photographs that they were trained on
_SHORTEST = 2  # side of the features of a stage


def vgg_of(
    state: Mapping[Any, Any], shape: tuple[int, ...], low: float, high: float
) -> tuple[str, list[str], dict[str, Tensor]]:
    """Return the name, the words of a `Stack` and its weights, of a state_dict of torchvision's vgg11 to vgg19_bn.

    A feature is what each stage gives, before it is pooled; images (C, H, W) of 1 or 3 channels reach as many stages as their
    sides can be halved. Values between `low` and `high` are brought to those that the networks were trained on. The paper takes
    layers of such a network: Simonyan & Zisserman 2015, https://arxiv.org/abs/1409.1556. Raises AerunError for other weights.
    """
    kernels = {k: tuple(v.shape) for k, v in state.items() if isinstance(v, Tensor) and v.ndim == 4}
    for name in NAMES:
        layers = _layers(name)
        if kernels == {f"features.{place}.weight": size for place, (kind, size) in enumerate(layers) if kind == "conv2d"}:
            words, weights = _told(state, layers, min(shape[1:]))
            spread = [(high - low) * s for s in _DEVIATION]
            weights["centre"] = torch.tensor([low + (high - low) * m for m in _MEAN]).view(3, 1, 1)
            weights["scale"] = torch.tensor([1 / s for s in spread]).view(3, 1, 1)
            return name, words, weights
    raise AerunError(f"holds the weights of none of torchvision's {', '.join(NAMES)}.")


def _layers(name: str) -> list[tuple[str, tuple[int, ...]]]:
    """Return the modules of `features` in order: their kind, and the shape of a convolution's kernel."""
    layers, before = list[tuple[str, tuple[int, ...]]](), 3
    for count, channels in zip(_STAGES[name.removesuffix(_NORMALIZED)], _CHANNELS, strict=True):
        for _ in range(count):
            norm = [("batch", (channels,))] if name.endswith(_NORMALIZED) else []
            layers += [("conv2d", (channels, before, 3, 3)), *norm, ("relu", ())]
            before = channels
        layers.append(("pool", ()))
    return layers


def _told(
    state: Mapping[Any, Any], layers: list[tuple[str, tuple[int, ...]]], side: int
) -> tuple[list[str], dict[str, Tensor]]:
    words, weights = ["input 3 1 1"], dict[str, Tensor]()
    for place, (kind, size) in enumerate(layers):
        if kind == "pool":
            words.append(TAP)
            side //= 2
            if side < _SHORTEST:
                break
        sizes = [size[1], size[0], 3, 1, 1] if kind == "conv2d" else size
        here = len(words) - 1
        words.append(" ".join([kind, *map(str, sizes)]))
        prefix = f"features.{place}."
        weights |= {f"layers.{here}.{k.removeprefix(prefix)}": v for k, v in state.items() if _is_read(str(k), prefix)}
    return words[: len(words) - words[::-1].index(TAP)], weights


def _is_read(key: str, prefix: str) -> bool:
    return key.startswith(prefix) and not key.endswith(".num_batches_tracked")
