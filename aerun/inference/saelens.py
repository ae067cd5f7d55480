"""A trained sparse autoencoder as SAELens has it, and a run's folder made of one."""

from pathlib import Path

import torch
from torch import Tensor

from aerun.autoencoder import Autoencoder
from aerun.compose import option, options
from aerun.core.errors import AerunError
from aerun.core.files import replace
from aerun.formats.saelens import CONFIG, WEIGHTS, Sae, write_sae
from aerun.inference.model import Model
from aerun.parts import Bottleneck
from aerun.preparation.base import Unchanged
from aerun.preparation.norm import Norm
from aerun.preparation.pair import Pair


def export_sae(model: Model, folder: Path) -> list[str]:
    """Write the folder, and return in lines what was done. Raises AerunError for a model that SAELens has no form for."""
    if folder.exists() and not folder.is_dir():
        raise AerunError(f"{folder}: is a file; SAELens reads a folder, with {WEIGHTS} and {CONFIG} in it.")
    sae = sae_of(model.autoencoder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        about = {"model_name": "unknown", "hook_name": "unknown", "aerun_run": model.folder.path.name}
        kind = write_sae(sae, folder, about, replace)
    except OSError as e:
        raise AerunError(f"{folder}: cannot be written: {e.strerror or e}.") from e
    own = option(model.autoencoder.bottleneck)
    as_what = (
        "" if kind in (own, {"relu": "standard"}.get(own)) or sae.transcodes else f", which is how codes of {own} are written"
    )
    return [
        f"{folder}: {model.name} as saelens: {kind}{as_what}, {sae.encoder.shape[0]} numbers to {sae.encoder.shape[1]} units"
    ]


@torch.no_grad()
def sae_of(autoencoder: Autoencoder) -> Sae:
    """Return the maps of a model on samples as they are stored: its mean and its scale are in the weights and biases.

    Raises AerunError for more than one layer each way, another code than a threshold or the k largest, an output that is not
    linear, samples that are no vectors, and a preparation of each column.
    """
    _refuse(autoencoder)
    arch = autoencoder.arch
    (down,), (up,) = arch.encoder_weights(), autoencoder.decoder_weights()
    bias, out = (_bias(m) for m in (arch.encoder, arch.decoder))
    size, source = len(down.t()), autoencoder.facts.source
    scale, given = _scales(autoencoder)
    mean = arch.mean.flatten()[: source or None]
    down, up, bias, out, mean = (t.detach().double() for t in (down, up, bias, out, mean))
    form = autoencoder.bottleneck.thresholded()
    assert form is not None
    gain, shift = form.gain.double(), form.shift.double()
    threshold = None if form.threshold is None else form.threshold.double()
    bias = gain * (bias - down @ mean.expand(size)) + shift
    skip = arch.decoder[0].get_parameter("weight")[:, : arch.skip].detach().double() if arch.skip else None
    out = out if skip is None else out - skip @ mean
    return Sae(down.t() * gain, bias, up.t(), out, form.k, threshold, bool(source), skip).scaled(scale, given)


def _scales(autoencoder: Autoencoder) -> tuple[float, float]:
    """Return by what the preparation multiplies what is read and what is written."""
    preparation, source = autoencoder.preparation, autoencoder.facts.source
    if isinstance(preparation, Pair):
        return float(preparation.scale[0]), float(preparation.scale[source])
    scale = (float(preparation.scale) if isinstance(preparation, Norm) else 1.0) / autoencoder.facts.unit
    return scale, scale


def _refuse(model: Autoencoder) -> None:
    words, raw = "", torch.linspace(-9, 9, 7)
    ways = (model.arch.encoder_weights(), model.decoder_weights())
    if any(len(weights) != 1 for weights in ways) or model.arch.whitens:
        words = "it has one affine map each way, and this one does not: model/arch=linear"
    elif model.bottleneck.thresholded() is None:
        fit = [name for name, cls in options("bottleneck").items() if cls.thresholded is not Bottleneck.thresholded]  # type: ignore[attr-defined]
        words = f"codes are of {', '.join(fit)}, and this one's of {option(model.bottleneck)}"
    elif model.loss.heads > 1 or not torch.equal(model.loss.activate(raw), raw):
        words = "reconstructions are what the decoder gives: model/loss=mse with model.loss.activation=linear"
    elif len(model.facts.shape) != 1:
        words = f"samples are vectors, and here of shape {model.facts.shape}"
    elif not isinstance(model.preparation, Unchanged | Norm | Pair):
        words = "samples are scaled as a whole, and here each column is: dataset.prepare=norm or none"
    elif model.told is not None or model.tells_cuts or model.arch.sees_mask:
        words = "encoder and decoder read nothing else"
    if words:
        raise AerunError(f"export: SAELens has no form for this model: {words}.")


def _bias(layers: torch.nn.Module) -> Tensor:
    """Return the bias of the one affine map among these layers."""
    found = [b for m in layers.children() if isinstance(b := getattr(m, "bias", None), Tensor)]
    return found[0]


# -- and back --------------------------------------------------------------------------------------------------------


def settings_of(sae: Sae) -> list[str]:
    """Return what is typed for a model that computes the same."""
    size = ["model.latent_dim=" + str(sae.encoder.shape[1]), "model/arch=linear", "model.arch.atoms=free", "regularizer=none"]
    size.append(f"model.arch.skip={'false' if sae.skip is None else 'true'}")
    if sae.k is not None:
        return ["model=sae_topk", *size, f"model.bottleneck.k={sae.k}", "model.arch.start=random"]
    if sae.threshold is not None:
        return ["model=sae_jumprelu", *size, "model.arch.start=random"]
    return ["model=sparse", *size, "reg.lambda=1"]


@torch.no_grad()
def fill(autoencoder: Autoencoder, sae: Sae) -> None:
    """Set the weights of a model of `settings_of`."""
    arch = autoencoder.arch
    arch.mean.zero_()
    arch.encoder_weights()[0].copy_(sae.encoder.t())
    _bias(arch.encoder).copy_(sae.encoder_bias)
    autoencoder.decoder_weights()[0].copy_(sae.decoder.t())
    if sae.skip is not None:
        arch.decoder[0].get_parameter("weight")[:, : arch.skip].copy_(sae.skip)
    _bias(arch.decoder).copy_(sae.decoder_bias)
    if sae.threshold is not None:
        autoencoder.bottleneck.get_parameter("threshold").copy_(sae.threshold)
