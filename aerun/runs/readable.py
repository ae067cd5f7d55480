"""What settings and figures are called where a reader does not know aerun: axes, legends and tables of a paper."""

import re
from collections.abc import Iterable

_NAMES = {
    "model": "model",
    "model.latent_dim": "code size",
    "model/arch": "network",
    "model/bottleneck": "bottleneck",
    "model/corruption": "corruption",
    "model/loss": "loss",
    "model/prior": "prior",
    "regularizer": "regularizer",
    "reg.lambda": "regularization weight",
    "optimizer": "optimizer",
    "optimizer.lr": "learning rate",
    "dataset": "data",
    "trainer.max_epochs": "epochs",
    "trainer.batch_size": "batch size",
    "seed": "seed",
    "seeds": "seeds",
    "seconds": "time (s)",
    "objective": "objective",
}
_WHO = {"test": "test", "val": "validation", "train": "training", "pca": "PCA", "mean": "training mean", "codes": "code"}
_WHAT = {
    "se": "squared error per sample",
    "mse": "squared error per element",
    "psnr": "PSNR (dB)",
    "fvu": "fraction of variance unexplained",
    "loss": "loss",
    "l0": "active units",
    "dead": "dead units",
    "effective_rank": "effective rank",
    "kl": "KL divergence (nats)",
    "auroc": "AUROC",
    "fine_bpp": "bits per element",
    "seconds": "time (s)",
}


def readable(key: str) -> str:
    """Return words for a setting or a figure: `kl weight` for `reg.terms.kl.weight`, `test PSNR (dB)` for `test/psnr`."""
    if key in _NAMES:
        return _NAMES[key]
    if match := re.fullmatch(r"reg\.terms\.(\w+)\.(\w+)", key):
        return f"{match[1]} {match[2]}".replace("_", " ")
    who, slash, rest = key.partition("/")
    if slash:
        parts = [_WHO.get(who, who), *rest.split("/")]
        words = [p for p in (*parts[:-1], _WHAT.get(parts[-1], parts[-1])) if p != "model"]
        return " ".join(words).replace("_", " ")
    return key.rpartition(".")[2].replace("_", " ")


def in_words(text: str, keys: Iterable[str]) -> str:
    """Return a label such as `model=vae model.latent_dim=8` with each of the settings `keys` in words: `vae, code size 8`."""
    for key in sorted(keys, key=len, reverse=True):
        name = "" if key == "model" else f"{readable(key)} "
        text = re.sub(rf"(^|[ (]){re.escape(key)}=", lambda m, n=name: f"{', ' if m[1] == ' ' else m[1]}{n}", text)  # type: ignore[misc]
    return text
