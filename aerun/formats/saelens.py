"""Sparse autoencoders in folders of SAELens and sparsify: cfg.json and a safetensors file, as one form.

Whatever a folder's architecture, its code is z = f(x W + a) and its reconstruction z V + c, with

f = relu, the k largest of relu, or h 1[h > theta]; gated units are those of theta = max(b, 0) on e^r h + b', see `Gated`. A
transcoder's z V + c, and x S where it has a skip, is of other activations than x.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aerun.core.errors import AerunError
from aerun.formats.optional import needed

WEIGHTS, CONFIG = "sae_weights.safetensors", "cfg.json"
_SPARSIFY = "sae.safetensors"
_VERSION = "6.0.0"  # of the layout that is written
_NAMES = {  # of the tensors of each architecture that can be read
    "standard": ("W_enc", "b_enc", "W_dec", "b_dec"),
    "topk": ("W_enc", "b_enc", "W_dec", "b_dec"),
    "jumprelu": ("W_enc", "b_enc", "W_dec", "b_dec", "threshold"),
    "gated": ("W_enc", "b_gate", "r_mag", "b_mag", "W_dec", "b_dec"),
    "transcoder": ("W_enc", "b_enc", "W_dec", "b_dec"),
    "skip_transcoder": ("W_enc", "b_enc", "W_dec", "b_dec", "W_skip"),
    "jumprelu_transcoder": ("W_enc", "b_enc", "W_dec", "b_dec", "threshold"),
}
_TRANSCODERS = {"standard": "transcoder", "jumprelu": "jumprelu_transcoder"}
_OTHER = {  # and why others are not
    "matryoshka_batchtopk": "it is saved as jumprelu once it is trained",
    "batchtopk": "it is saved as jumprelu once it is trained",
}


@dataclass(frozen=True)
class Sae:
    """W (D, d), a (d,), V (d, D), c (D,), and what makes the code sparse: a number of units, or a threshold (d,) for each.

    transcodes: what it gives are other activations, of a width of their own; skip (width, D): a map past the code.
    """

    encoder: Tensor
    encoder_bias: Tensor
    decoder: Tensor
    decoder_bias: Tensor
    k: int | None = None
    threshold: Tensor | None = None
    transcodes: bool = False
    skip: Tensor | None = None

    def scaled(self, scale: float, given: float | None = None) -> "Sae":
        """Return what does with x what this does with scale x, and gives what this gives over `given`, or x back."""
        given = scale if given is None else given
        skip = None if self.skip is None else self.skip * scale / given
        decoder, bias = self.decoder / given, self.decoder_bias / given
        return replace(self, encoder=self.encoder * scale, decoder=decoder, decoder_bias=bias, skip=skip)


# -- reading ---------------------------------------------------------------------------------------------------------


def read_sae(folder: Path, scale: float | None) -> Sae:
    """Return the autoencoder in a folder. scale: of its inputs, where the folder says that they were scaled and not by what.

    Raises AerunError for a folder that is none, damaged, or of a form that is not read.
    """
    own, theirs = folder / WEIGHTS, folder / _SPARSIFY
    if not folder.is_dir() or not (own.is_file() or theirs.is_file()):
        raise AerunError(f"{folder}: no folder of SAELens ({WEIGHTS}) or of sparsify ({_SPARSIFY}).")
    config = _config(folder / CONFIG)
    if not own.is_file():
        return _refuse_idle(_of_sparsify(folder, config), scale, folder)
    if str(config.get("reshape_activations") or "none") != "none":
        raise AerunError(f"{folder}: reshape_activations={config['reshape_activations']}: only flat activations are read.")
    kind = _kind(folder, config)
    tensors = _tensors(own, _NAMES[kind], kind.endswith("transcoder"))
    sae = {"gated": _gated, "topk": _topk}.get(kind, _plain)(tensors, config)
    if kind.endswith("transcoder"):
        sae = replace(sae, transcodes=True, skip=tensors.get("W_skip"))
        if config.get("apply_b_dec_to_input"):
            words = "a transcoder's output bias is of other activations than it reads. Not read"
            raise AerunError(f"{folder}: apply_b_dec_to_input=true: {words}.")
    elif config.get("apply_b_dec_to_input", _version(config) < (6,)):
        sae = replace(sae, encoder_bias=sae.encoder_bias - sae.decoder_bias @ sae.encoder)
    return _unscaled(folder, config, sae, scale)


def _kind(folder: Path, config: Mapping[str, Any]) -> str:
    kind = str(config.get("architecture", "standard"))
    function = config.get("activation_fn_str", config.get("activation_fn", "relu"))
    if kind == "standard" and function == "topk":
        kind = "topk"
    elif kind == "standard" and function not in ("relu", None):
        raise AerunError(f"{folder}: activation function {function}: relu and topk are read.")
    if kind not in _NAMES:
        why = _OTHER.get(kind, "is unknown here")
        raise AerunError(f"{folder}: architecture {kind}: {why}. These are read: {', '.join(_NAMES)}.")
    return kind


def _unscaled(folder: Path, config: Mapping[str, Any], sae: Sae, scale: float | None) -> Sae:
    """Return the autoencoder of activations as they are, whatever theirs were scaled by."""
    way = config.get("normalize_activations", "none")
    way = {True: "expected_average_only_in", False: "none", None: "none"}.get(way, way)
    if way == "none":
        return _refuse_idle(sae, scale, folder)
    if way != "expected_average_only_in":
        raise AerunError(f"{folder}: normalize_activations={way} needs numbers of each sample to decode: not read.")
    if scale is None:
        raise AerunError(
            f"{folder}: its activations were scaled to a mean norm of sqrt(d_in), and the files do not say by what. Give the "
            "factor: --scale F, sqrt(d_in) over the mean norm of your activations."
        )
    return sae.scaled(scale, 1.0 if sae.transcodes else None)


def _refuse_idle(sae: Sae, scale: float | None, folder: Path) -> Sae:
    if scale is not None:
        raise AerunError(f"--scale {scale:g}: {folder} reads activations as they are. Leave it out.")
    return sae


def _plain(t: Mapping[str, Tensor], config: Mapping[str, Any]) -> Sae:
    return Sae(t["W_enc"], t["b_enc"], t["W_dec"], t["b_dec"], threshold=t.get("threshold"))


def _topk(t: Mapping[str, Tensor], config: Mapping[str, Any]) -> Sae:
    k = config.get("k", (config.get("activation_fn_kwargs") or {}).get("k"))
    if type(k) is not int or not 0 < k <= len(t["b_enc"]):
        raise AerunError(f"{CONFIG}: k={k}: must be a number of units from 1 to {len(t['b_enc'])}.")
    norm = t["W_dec"].norm(dim=1) if config.get("rescale_acts_by_decoder_norm") else torch.ones(len(t["b_enc"]))
    return Sae(t["W_enc"] * norm, t["b_enc"] * norm, t["W_dec"] / norm[:, None], t["b_dec"], k=k)


def _gated(t: Mapping[str, Tensor], config: Mapping[str, Any]) -> Sae:
    gain = t["r_mag"].exp()
    shift = t["b_mag"] - gain * t["b_gate"]
    return Sae(t["W_enc"] * gain, t["b_mag"], t["W_dec"], t["b_dec"], threshold=shift.clamp_min(0))


def _of_sparsify(folder: Path, config: Mapping[str, Any]) -> Sae:
    skips = ("W_skip",) if config.get("skip_connection") else ()
    t = _tensors(folder / _SPARSIFY, ("encoder.weight", "encoder.bias", "W_dec", "b_dec", *skips))
    own = {"W_enc": t["encoder.weight"].t(), "b_enc": t["encoder.bias"], "W_dec": t["W_dec"], "b_dec": t["b_dec"]}
    transcodes = bool(config.get("transcode"))
    _refuse_shapes(folder / _SPARSIFY, own | {k: t[k] for k in skips}, transcodes)
    sae = _topk(own, {"k": config.get("k")})
    if transcodes:  # whose output bias is of other activations, and not taken off
        return replace(sae, transcodes=True, skip=t.get("W_skip"))
    if skips:
        raise AerunError(f"{folder}: skip_connection=true without transcode: the skip copies the input.")
    return replace(sae, encoder_bias=sae.encoder_bias - sae.decoder_bias @ sae.encoder)


def _config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise AerunError(f"{path}: missing: it says of which architecture the weights are.") from None
    except (OSError, ValueError) as e:
        raise AerunError(f"{path}: cannot be read as JSON.") from e
    if not isinstance(config, dict):
        raise AerunError(f"{path}: no table of settings.")
    return config


def _version(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the version that wrote a folder; folders that do not say it are old."""
    about = config.get("metadata") if isinstance(config.get("metadata"), dict) else {}
    words = str(config.get("sae_lens_version") or (about or {}).get("sae_lens_version") or "0")
    return tuple(int(n) for n in re.findall(r"\d+", words)[:2]) or (0,)


def _tensors(path: Path, names: tuple[str, ...], transcodes: bool = False) -> dict[str, Tensor]:
    """Return these tensors of a file as 32-bit numbers. AerunError where one is missing or of a shape that does not fit."""
    safetensors = needed("safetensors", path)
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            there = set(file.keys())
            if "log_threshold" in there and "threshold" not in there:
                names = tuple("log_threshold" if n == "threshold" else n for n in names)
            if missing := [n for n in names if n not in there]:
                raise AerunError(f"{path}: holds no {missing[0]}; it has {', '.join(sorted(there))}.")
            tensors = {n: file.get_tensor(n).float() for n in names}
    except AerunError:
        raise
    except Exception as e:  # damaged files end in errors of many kinds
        raise AerunError(f"{path}: not such a file, cut off or damaged.") from e
    if "log_threshold" in tensors:
        tensors["threshold"] = tensors.pop("log_threshold").exp()
    if not all(bool(t.isfinite().all()) for t in tensors.values()):
        raise AerunError(f"{path}: holds values that are missing or infinite.")
    if "W_enc" in tensors:
        _refuse_shapes(path, tensors, transcodes)
    return tensors


def _refuse_shapes(path: Path, tensors: Mapping[str, Tensor], transcodes: bool) -> None:
    """Raise AerunError where the tensors are not those of one autoencoder."""
    if tensors["W_enc"].ndim != 2:
        raise AerunError(f"{path}: W_enc of shape {tuple(tensors['W_enc'].shape)}: must be (d_in, d_sae).")
    size, units = tensors["W_enc"].shape
    out = tensors["b_dec"].numel() if transcodes else size
    for name, tensor in tensors.items():
        wanted = {"W_enc": (size, units), "W_dec": (units, out), "b_dec": (out,), "W_skip": (out, size)}.get(name, (units,))
        if tuple(tensor.shape) != wanted:
            raise AerunError(f"{path}: {name} of shape {tuple(tensor.shape)}: beside W_enc of {(size, units)} it is {wanted}.")


# -- writing ---------------------------------------------------------------------------------------------------------


def _architecture(sae: Sae) -> str:
    """Return what SAELens calls it. AerunError for a transcoder of another form than it has."""
    kind = "topk" if sae.k is not None else "standard" if sae.threshold is None else "jumprelu"
    if not sae.transcodes:
        return kind
    if kind not in _TRANSCODERS or (kind == "jumprelu" and sae.skip is not None):
        what = "with a skip and thresholds" if sae.skip is not None and kind == "jumprelu" else "with k units of each sample"
        raise AerunError(
            f"export: SAELens has no transcoder {what}: it has such of relu, with and without a skip, and of "
            "thresholds without (jumprelu, gated, topk with scope=batch)."
        )
    return "skip_transcoder" if sae.skip is not None else _TRANSCODERS[kind]


def write_sae(sae: Sae, folder: Path, about: Mapping[str, Any], replace: Callable[[Path, bytes], None]) -> str:
    """Write an autoencoder as SAELens reads it, with `replace` (path, content), and return its architecture."""
    kind = _architecture(sae)
    tensors = {"W_enc": sae.encoder, "b_enc": sae.encoder_bias, "W_dec": sae.decoder, "b_dec": sae.decoder_bias}
    tensors |= {} if sae.threshold is None else {"threshold": sae.threshold}
    tensors |= {} if sae.skip is None else {"W_skip": sae.skip}
    size, units = sae.encoder.shape
    config = {
        "architecture": kind,
        "d_in": size,
        "d_sae": units,
        **({"d_out": sae.decoder.shape[1]} if sae.transcodes else {}),
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "none",
        **({} if sae.k is None else {"k": sae.k, "rescale_acts_by_decoder_norm": False}),
        "metadata": {"sae_lens_version": _VERSION, **about},
    }
    plain = {k: v.detach().float().cpu().contiguous() for k, v in tensors.items()}
    replace(folder / WEIGHTS, needed("safetensors.torch", folder).save(plain))
    replace(folder / CONFIG, (json.dumps(config, indent=1) + "\n").encode())
    return kind
