"""The layers of an encoder and their outputs for samples."""

from typing import Any

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.core.errors import AerunError
from aerun.inference.runner import Runner


def names(model: Autoencoder) -> list[str]:
    """Return the names of the encoder's layers, in order."""
    modules = [name for name, _ in model.arch.named_modules() if name.startswith("encoder.")]
    return [name for name in modules if ".parametrizations" not in name]


def output(runner: Runner, stored: Tensor, layer: str) -> Tensor:
    """Return the output (n, ...) of a layer for stored samples, on the CPU.

    Raises AerunError for a layer that is not there.
    """
    layers = names(runner.autoencoder)
    if layer not in layers:
        raise AerunError(f"layer={layer}: one of {', '.join(layers)}.")
    seen: list[Tensor] = []

    def keep(module: Any, inputs: Any, out: Any) -> None:
        seen.append((out[0] if isinstance(out, tuple) else out).cpu())

    hook = runner.autoencoder.arch.get_submodule(layer).register_forward_hook(keep)
    try:
        runner.codes_of(stored)
    finally:
        hook.remove()
    return torch.cat(seen)
