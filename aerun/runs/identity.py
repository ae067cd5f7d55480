"""Whose a run's folder and a checkpoint are: the settings, and the fingerprint of the data."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from aerun.core.errors import AerunError
from aerun.core.paths import data_paths, with_absolute_paths
from aerun.settings.auto import as_saved
from aerun.settings.conditions import SETTINGS
from aerun.settings.flat import as_plain, flat
from aerun.settings.labels import ASKED, without_labels

KEY = "run"  # of a checkpoint: the identity of its run; older ones have none
# Settings of a trainer that older runs do not name, as they were trained.
LATER = {"same_batches": False, "accumulate": 1, "max_time": None}
LATER_DATASET = {
    **SETTINGS,
    "side": 28,
    "spikes": 0.0,
    "rare": None,
    "most": None,
    "hash": None,
    "target": None,
    "target_key": None,
}  # likewise of a data set
LATER_PARTS = {"prior": {"_target_": "aerun.model.prior.standard.Standard"}}  # likewise of a model
LATER_SETTINGS: Mapping[str, Mapping[str, Any]] = {  # likewise of a part, by its class
    "aerun.model.arch.linear.Linear": {"bias": True, "centre": "mean", "start": "random", "skip": False},
    "aerun.dataset.activations.Activations": {"target": None, "target_key": None},
    "aerun.model.bottleneck.gaussian.Gaussian": {"posterior": "diagonal", "steps": None},
    "aerun.model.bottleneck.relu.Relu": {"k_aux": None, "dead_after": 5000},
    "aerun.model.bottleneck.topk.Topk": {"calibrate": False, "k_start": None, "wider": None},
    "aerun.model.bottleneck.vq.Vq": {"stages": 1, "shared": True, "start": "batch"},
    "aerun.regularizer.perceptual.Perceptual": {"features": "random", "network": None},
    "aerun.regularizer.nested.Nested": {"tell": False},
    "aerun.regularizer.iwae.Iwae": {"groups": 1, "elbo": 0.0, "encoder": "same"},
    **{f"aerun.model.arch.{arch}": {"bias": True} for arch in ("mlp.Mlp", "conv.Conv")},
}
_LENGTH = ("trainer", ("max_epochs", "max_time"))  # `aerun resume --epochs` and `--time` go on with the same run


def essence(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a resolved config makes a run what it is, as plain data.

    Left out are tags and notes, where data lie and are kept (their content counts, see `identity`), the progress bar, how
    often it is saved, later settings at the value by which older runs were trained, and what is asked of the trained model at
    the end, see `asked_anew`.
    """
    plain = as_plain(with_absolute_paths(config))
    places = {key.partition(".")[2] for key in data_paths(config)} | {"cache", "root"}
    settings = without_labels({str(k): v for k, v in plain.items() if k not in ASKED})
    for key, gone in (("dataset", places), ("trainer", {"progress", "save_every"})):
        if isinstance(settings.get(key), dict):
            settings[key] = {k: v for k, v in settings[key].items() if k not in gone}
    if isinstance(trainer := settings.get("trainer"), dict):
        settings["trainer"] = {k: v for k, v in trainer.items() if k not in LATER or v != LATER[k]}
    if isinstance(dataset := settings.get("dataset"), dict):
        settings["dataset"] = {k: v for k, v in dataset.items() if k not in LATER_DATASET or v != LATER_DATASET[k]}
    if isinstance(model := settings.get("model"), dict):
        model = {k: v for k, v in model.items() if k not in LATER_PARTS or v != LATER_PARTS[k]}
        settings["model"] = {k: _without_later(v) for k, v in model.items()}
    if isinstance(reg := settings.get("reg"), dict) and isinstance(terms := reg.get("terms"), dict):
        settings["reg"] = {**reg, "terms": {k: _without_later(v) for k, v in terms.items()}}
    return settings


def with_later(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the settings of a part, with those that older runs do not name as they were trained."""
    return {**LATER_SETTINGS.get(str(node.get("_target_")), {}), **node}


def _without_later(node: Any) -> Any:
    """Return the settings of a part without later ones at the value by which older runs were trained."""
    later = LATER_SETTINGS.get(str(node.get("_target_")), {}) if isinstance(node, dict) else {}
    return {k: v for k, v in node.items() if k not in later or v != later[k]} if later else node


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words each setting in which two runs differ: `optimizer.lr 0.001 there, 0.01 here`."""
    return _differing(essence(before), essence(as_saved(now, before)))


def asked_anew(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return in words what two runs ask differently of the trained model, at the end: `evaluate [] there, "auto" here`."""
    return _differing(*({k: config[k] for k in ASKED if k in config} for config in (before, now)))


def _differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    there, here = ({k: json.dumps(v, default=str) for k, v in flat(config).items()} for config in (before, now))
    keys = [k for k in (*here, *(k for k in there if k not in here)) if there.get(k, "none") != here.get(k, "none")]
    return [f"{k} {there.get(k, 'none')} there, {here.get(k, 'none')} here" for k in keys]


def identity(config: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    """Return the hash of a run's settings, but for its length, and of its data's fingerprint, as 32 hexadecimal digits."""
    settings = essence(config)
    group, keys = _LENGTH
    if isinstance(settings.get(group), dict):
        settings[group] = {k: v for k, v in settings[group].items() if k not in keys}
    digests = [blake2b(json.dumps(part, sort_keys=True, default=str).encode(), digest_size=8) for part in (settings, data)]
    return "".join(digest.hexdigest() for digest in digests)


def refuse_foreign(checkpoint: Mapping[str, Any], own: str, where: Any) -> None:
    """Raise AerunError where a checkpoint says that it is another run's; `own`: this run's identity, empty where unknown."""
    theirs = checkpoint.get(KEY)
    if own and theirs and theirs != own:
        what = "data" if str(theirs)[:16] == own[:16] else "settings"
        raise AerunError(
            f"{where}: is of another run (other {what}) and is not gone on with. Remove it to begin this run anew, "
            "or choose another folder."
        )
