"""Begins a run with what another run has learned: model.init_from=RUN."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from aerun.autoencoder import Autoencoder
from aerun.core.checks import one_of
from aerun.core.errors import AerunError
from aerun.runs.checkpoint import run_folder, weights_of

_NESTED = "regularizers.nested.means"  # a tensor that runs with nested codes have
_PARTS = {"all": ("arch.", "bottleneck.", "loss."), "encoder": ("arch.", "bottleneck.")}


def load_initial_weights(autoencoder: Autoencoder, settings: Mapping[str, Any], again: bool) -> list[str]:
    """Make `start_parts` end with the other run's weights, freeze what is to be frozen, and return the warnings.

    A layer is taken where all of its tensors have the same names and shapes, and of a run with nested codes the part of it
    that a smaller code needs; centres of the input are part of the encoder, and preparations are those of the new data. again:
    for a run that goes on, whose own checkpoint holds what was taken: its source is not read. Raises AerunError where the
    source is no run, where no layer fits, and where an encoder would be frozen that was not taken whole.
    """
    source, freeze = settings.get("init_from"), settings.get("freeze")
    part = one_of("model.init_part", settings.get("init_part", "all"), tuple(_PARTS))
    if freeze is not None:
        one_of("model.freeze", freeze, ("encoder",))
    if source is None:
        if freeze is not None or part != "all":
            raise AerunError("model.freeze and model.init_part need model.init_from=RUN, whose weights they speak of.")
        return []
    warnings = []
    if not again:
        path = Path(str(source)).expanduser()
        weights, left = _fitting(autoencoder, weights_of(run_folder(path), "best"), part)
        _refuse(weights, left, part, freeze, source)
        autoencoder.start_parts = partial(_start, autoencoder, autoencoder.start_parts, weights)  # type: ignore[method-assign]
        warnings = _warnings(left, source)
    if freeze is not None:
        _freeze(autoencoder)
    return warnings


def _fitting(autoencoder: Autoencoder, theirs: Mapping[str, Tensor], part: str) -> tuple[dict[str, Tensor], list[str]]:
    """Return those of the other run's tensors that fit, and the names of the layers here that get none."""
    ours = {k: v for k, v in autoencoder.state_dict().items() if k.startswith(_PARTS[part])}
    if part == "encoder":
        ours = {k: v for k, v in ours.items() if not k.startswith("arch.decoder.")}
    layers: dict[str, list[str]] = {}
    for key in ours:
        layers.setdefault(_layer(key), []).append(key)
    if _NESTED in theirs:
        theirs = {
            k: _of_first_units(v, ours[k], autoencoder.bottleneck.latent_dim) if k in ours else v for k, v in theirs.items()
        }
    fit = {k for k, v in ours.items() if k in theirs and theirs[k].shape == v.shape}
    whole = [name for name, keys in layers.items() if fit.issuperset(keys)]
    return {k: theirs[k] for name in whole for k in layers[name]}, [name for name in layers if name not in whole]


def _of_first_units(theirs: Tensor, ours: Tensor, size: int) -> Tensor:
    """Return the part of a tensor that belongs to the first `size` units of a code, where it has more; others as they are."""
    pairs = list(zip(theirs.shape, ours.shape, strict=True)) if theirs.ndim == ours.ndim else []
    other = [axis for axis, (a, b) in enumerate(pairs) if a != b]
    if len(other) != 1 or not pairs[other[0]][0] > pairs[other[0]][1] == size:
        return theirs
    return theirs.narrow(other[0], 0, size)


def _layer(key: str) -> str:
    """Return the name of a tensor's layer: arch.encoder.1.weight belongs to arch.encoder.1."""
    return key.partition(".parametrizations.")[0].rpartition(".")[0] if "." in key else key


def _refuse(weights: Mapping[str, Tensor], left: Sequence[str], part: str, freeze: str | None, source: Any) -> None:
    if not any(k.startswith(("arch.encoder.", "arch.decoder.")) for k in weights):
        raise AerunError(
            f"model.init_from={source}: no layer of that run has the shapes of one here. Choose its model/arch, its sizes and "
            "data of the same shape (its config.yaml has them)."
        )
    strange = [name for name in left if name.startswith("arch.encoder")]
    if freeze == "encoder" and strange:
        raise AerunError(
            f"model.freeze=encoder: {', '.join(strange)} would be held without being trained: of another shape in {source}. "
            "Take its sizes (model.latent_dim among them), or leave the encoder free."
        )


def _warnings(left: Sequence[str], source: Any) -> list[str]:
    if not left:
        return []
    return [f"model.init_from={source}: begins afresh, for want of the same shape there: {', '.join(left)}."]


@torch.no_grad()
def _start(autoencoder: Autoencoder, before: Any, weights: Mapping[str, Tensor], stored: Tensor) -> None:
    """Start the parts as usual, then copy the other run's weights into it."""
    before(stored)
    state = autoencoder.state_dict()
    for key, value in weights.items():
        state[key].copy_(value)


def _freeze(autoencoder: Autoencoder) -> None:
    """Freeze the encoder: it has no gradients, its running means stay, and nothing is dropped out."""
    encoder = autoencoder.arch.encoder
    if any(autoencoder.is_apart(k) for k in autoencoder.opposed()):
        raise AerunError("model.freeze=encoder: this regularizer trains the encoder in a phase of its own. Leave it free.")
    for module in encoder.requires_grad_(False).modules():
        if isinstance(module, _BatchNorm | _DropoutNd | nn.RNNBase):
            module.register_forward_pre_hook(_calm)
            module.register_forward_hook(_as_before)
    if not any(p.requires_grad for p in autoencoder.own_parameters()):
        raise AerunError("model.freeze=encoder: nothing is left to train.")


def _calm(module: Any, inputs: Any) -> None:
    module.was, module.training = module.training, False


def _as_before(module: Any, inputs: Any, output: Any) -> None:
    module.training = bool(module.was)
