"""The vocabulary: every name that one pass through the model may fill, and how a part is called with those it takes.

A loss or a regularizer is a module whose `forward` parameters are names of `VOCABULARY`; a parameter with a default is used
where it is offered and is None elsewhere.
Shapes: B samples, *S event shape, T steps, F encoder features, d code size, grid the sides of a spatial code.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

Pass = dict[str, Any]
Function = Callable[[Tensor], Tensor]

VOCABULARY: dict[str, tuple[str, str]] = {
    "x": ("(B, *S)", "clean input"),
    "x_in": ("(B, *S)", "what the encoder saw"),
    "mask": ("(B, *S) bool", "True where x was hidden or replaced"),
    "valid": ("(B, T) bool", "True where a sequence of varying length really has a step"),
    "seen": (
        "(B, *S) bool",
        "True where x was really recorded, and is not what stands for a missing cell; `valid` says where an end is",
    ),
    "c": ("(B, m)", "what is known of a sample beforehand (`dataset.condition`), and is not to be learned from x"),
    "h": ("(B, F) or (B, F, *grid)", "encoder features before the bottleneck"),
    "z": ("(B, d) or (B, d, *grid)", "code handed to the decoder"),
    "prefixes": ("(S, B, d, *grid)", "codes of the first 1, 2, ... S pieces, where these are not units"),
    "slope": ("as z", "dz_j / dh_j of a bottleneck that works unit by unit"),
    "rate": ("as z, in [0, 1]", "probability that a unit is on"),
    "active": ("(B,)", "number of units that are on, which thresholds can change"),
    "gate": ("as z", "how clearly a unit is on, where a code decides that apart from how much it is"),
    "wider": ("as z", "code of several times as many units as the code has"),
    "spare": ("as z", "code of units that have long been silent, for their revival"),
    "posterior": ("Distribution, batch as z or (B,)", "q(z given x)"),
    "posterior_of": ("function", "samples (n, *S) to their q(z given x)"),
    "log_classes": (
        "(B, G, K, *grid)",
        "log-probability of each of the K classes of G groups; the last G K units of a code say which it is",
    ),
    "factors": ("Distribution, batch as z", "q(z given x) where it is one of units by themselves"),
    "prior": ("Distribution, batch as z or (B,)", "p(z), the reference on this code space"),
    "kept": ("as z, or (1, d, *1), in [0, 1]", "share of the passes that a unit is part of, where codes are cut"),
    "penalty": ("(B,)", "what a bottleneck asks for itself, added to the loss as it is"),
    "encode": ("function", "x to z, deterministic, differentiable, sample by sample"),
    "decode": ("function", "z to x_hat"),
    "decode_frozen": ("function", "z to x_hat, without gradients for the decoder's weights"),
    "raw": ("(B, *S), or (B, heads, *S)", "decoder output before the loss's activation; `heads` values for each element"),
    "target": ("(B, *S)", "what is judged against: x, unless the preparation gives another, such as the counts behind log1p"),
    "x_hat": ("(B, *S)", "reconstruction"),
    "own": ("function", "x or x_hat to the data's own units, as they are before any preparation"),
    "novelty": ("(B,)", "what a part itself calls unusual, for `evaluate=[anomaly]` and `score --by novelty`"),
    "reconstruction": ("(B,)", "reconstruction loss of each sample"),
    "judge": ("function", "z (K * B, d), K codes for each sample, to their reconstruction losses (K, B)"),
    "progress": ("float in [0, 1]", "how much of training is done; 1 in validation"),
    "encoder_weights": ("list of tensors", "encoder weights in order, first axis = outputs"),
    "decoder_weights": ("list of tensors", "decoder weights in order, first axis = outputs"),
}
ALWAYS = frozenset(VOCABULARY) - {
    "mask",
    "valid",
    "seen",
    "c",
    "prefixes",
    "slope",
    "rate",
    "spare",
    "active",
    "gate",
    "wider",
    "posterior",
    "posterior_of",
    "log_classes",
    "factors",
    "prior",
    "penalty",
    "kept",
    "encode",
    "novelty",
}


@cache
def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return parameters of a function or method by name, without self."""
    parameters = dict(inspect.signature(function).parameters)
    parameters.pop("self", None)
    return parameters


def call(function: Callable[..., Any], names: Mapping[str, Any]) -> Any:
    """Call with the names that the signature takes (a module: its forward's)."""
    signature = type(function).forward if isinstance(function, nn.Module) else getattr(function, "__func__", function)
    parameters = parameters_of(signature)
    return function(**{k: names[k] for k in parameters if k in names})


def wide(x: Tensor) -> Tensor:
    """Return x in at least 32 bits: exp, log and squares of half-precision codes are taken there."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
