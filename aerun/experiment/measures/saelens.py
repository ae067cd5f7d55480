"""Whether files in the format of SAELens compute what the model computes, by the format's formulas."""

import json
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from aerun.core.files import replace
from aerun.formats.optional import needed
from aerun.formats.saelens import CONFIG, WEIGHTS, read_sae, write_sae
from aerun.inference.saelens import sae_of
from aerun.trained import Trained

_MOST = 2000  # test samples


@torch.no_grad()
def measure(trained: Trained) -> dict[str, float]:
    """Return code and reconstruction, the largest differences between model and written files over the largest value.

    Both computed in 64 bits from 32-bit tensors, of samples with the same units on: share of them `same`; a feature at its
    threshold may fall on either side. read: of the tensors that are read back to those that were written.
    """
    model, stored = trained.exact, trained.data.test.x[:_MOST]
    x, beside = model.units(stored.double()), model.beside(stored.double())
    sae = sae_of(trained.autoencoder)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sae(sae, folder, {}, replace)
        about = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = needed("safetensors.torch", folder).load((folder / WEIGHTS).read_bytes())
        again = read_sae(folder, None)
    source = model.facts.source
    z, x_hat = _formulas(about, {k: v.double() for k, v in tensors.items()}, stored[:, : source or None].double())
    own = model.encode(x, **beside)
    back = model.preparation.inverse(model.decode(own, **beside, like=x))[:, source:]
    same = ((own > 0) == (z > 0)).all(1)
    pairs = [(getattr(sae, k), getattr(again, k)) for k in ("encoder", "encoder_bias", "decoder", "decoder_bias")]
    return {
        "code": _apart(z[same], own[same]),
        "reconstruction": _apart(x_hat[same], back[same]),
        "same": float(same.double().mean()),
        "read": max(_apart(b.double(), a.double()) for a, b in pairs),
    }


def _formulas(about: dict[str, object], t: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Return code and output of samples by the formulas of the format, from what is written alone."""
    h = x @ t["W_enc"] + t["b_enc"]
    z = h.relu() * (h > t["threshold"]) if "threshold" in t else h.relu()
    if about["architecture"] == "topk":
        kept, where = z.topk(int(str(about["k"])), 1)
        z = torch.zeros_like(z).scatter(1, where, kept)
    return z, z @ t["W_dec"] + t["b_dec"] + (x @ t["W_skip"].t() if "W_skip" in t else 0)


def _apart(a: Tensor, b: Tensor) -> float:
    """Return the largest difference over the largest value."""
    return float((a - b).abs().max() / b.abs().max())
