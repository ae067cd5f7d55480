"""What a board calls figures, pictures and settings: groups in the order of reading, words, units.

TensorBoard sorts names by letters, capitals first, and its HParams page shows the first five settings that differ and the first
five figures. So groups are named such that Answer, Error, Model, Objective, Regularizers, Scores, Training is their order, and
the settings that are compared most begin with a capital.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aerun.core.text import shown_line
from aerun.logger.base import numbers
from aerun.runs.figures import task_figure
from aerun.runs.folder import names_of
from aerun.runs.readable import readable
from aerun.settings.flat import flat
from aerun.settings.labels import ASIDE


class Named(NamedTuple):
    """A figure's name on a board, and what it is, in a sentence."""

    tag: str
    words: str = ""


_SPLITS = ("train", "val", "test")
_OWN = {
    "val/mse": Named("Error/MSE per element, val", "Mean squared error of an element: clean input, no noise."),
    "test/psnr": Named("Error/PSNR (dB), test", "Peak signal-to-noise ratio of the test split."),
    "test/se": Named("Error/SE per sample, test", "Squared error, summed over a sample's elements, mean of the test split."),
    "pca_ratio": Named("Error/SE relative to PCA, test", "Squared error over PCA's of the same size: below 1 is better."),
    "lr": Named("Training/learning rate", "Of the epoch's last step."),
    "samples_per_second": Named("Training/samples per second", "Speed of training, validation not counted."),
    "step": Named("Training/optimizer steps", "Steps that were taken by the end of the epoch."),
}
_NESTED = {  # of the first units of a nested code, see `evaluate.prefixes`
    "se": "SE per sample",
    "pca_se": "SE per sample of PCA",
    "ratio": "SE relative to PCA",
    "behind": "SE per sample beyond the best size's",
    "spread": "standard error of what is beyond",
}
_FINAL = ("test/psnr", "test/se", "pca_ratio")
_TERMS = {
    "loss": Named("Objective/loss per sample", "What is minimized: the reconstruction and all weighted terms."),
    "reconstruction": Named("Objective/reconstruction per sample", "The loss's own measure, summed over a sample's elements."),
    "penalty": Named("Objective/code penalty per sample", "What the bottleneck itself adds to the objective."),
}


def scalar(key: str) -> Named:
    """Return the name of a figure of an epoch, which metrics.csv calls `key`."""
    key = shown_line(key)
    if key in _OWN:
        return _OWN[key]
    who, _, rest = key.partition("/")
    if who == "effective_lambda":
        return Named(f"Regularizers/{_plain(rest)} weight", "reg.lambda times the term's own weight and its warm-up.")
    if who not in _SPLITS:
        return Named(f"Training/{_plain(key)}")
    if rest in _TERMS:
        return Named(f"{_TERMS[rest].tag}, {who}", _TERMS[rest].words)
    kind, _, term = rest.partition("/")
    if kind in ("reg", "reg_w"):
        weighted, words = ("weighted", "as it adds to the loss") if kind == "reg_w" else ("unweighted", "before its weight")
        return Named(f"Regularizers/{_plain(term)} {weighted}, {who}", f"The term {words}.")
    return Named(f"Model/{_plain(rest)}, {who}")


def final(key: str) -> Named:
    """Return the name of a figure of the end of a run: one of `_OWN`, or APPLICATION/WHO/METRIC."""
    key = shown_line(key)
    if key in _OWN:
        return _OWN[key]
    application, *who, metric = key.split("/")
    if application == "size" and len(who) == 1 and metric in _NESTED:
        units = "unit" if who == ["1"] else f"{who[0]} units"
        return Named(f"Scores/nested {_NESTED[metric]}, first {units}", "Of the test split, from the code's first units alone.")
    what = readable(f"{application}/{metric}") if who else readable(key)
    return Named(f"Scores/{what}{', ' if who else ''}{_plain(' '.join(who))}")


def answers(results: Mapping[str, Any], objective: str) -> dict[Named, float]:
    """Return the figures by which runs are compared: of the task, of the objective, of the error."""
    known, task = numbers(results), task_figure(str(results.get("task")))
    keys = [key for key in dict.fromkeys((task, objective)) if key in known and key not in _OWN]
    named = {Named(f"Answer/{readable(key)}"): known[key] for key in keys if key}
    return named | {_OWN[key]: known[key] for key in _FINAL if key in known}


def _plain(words: str) -> str:
    return re.sub(r"[_/]", " ", words)


def picture(name: str) -> str:
    """Return the name of a picture."""
    return f"Pictures/{_plain(name)}"


_PARTS = {
    "model.arch": "network",
    "model.bottleneck": "bottleneck",
    "model.corruption": "corruption",
    "model.loss": "loss",
    "model": "model",
    "optimizer": "optimizer",
    "schedule": "schedule",
    "dataset": "data",
    "trainer": "",
    "reg": "",
}
_CAPITAL = {"optimizer.lr": "Learning rate", "reg.lambda": "Regularization weight"}
_NOISE = {  # settings of which nothing is compared
    *("epochs", "root", "download", "cache", "memory", "name", "latent_dim"),
    *("progress", "save_every", "backend", "accelerator", "steps_per_call", "accumulate", "max_time"),
    *("objective", "evaluate", "pictures", "callbacks", *ASIDE),
}


def settings(config: Mapping[str, Any], folder: Path | None = None) -> dict[str, bool | str | float]:
    """Return the settings of a run in `folder` that are compared, by short names. Numbers are floats, lists text.

    Without a regularizer the weight is 0, so that it is compared with that of runs that have one.
    """
    names, terms = names_of(config, folder), config["reg"].get("terms") or {}
    short = {_setting(k): v if terms or k != "reg.lambda" else 0.0 for k, v in _flat(config).items()}
    named = {shown_line(k): shown_line(v) if isinstance(v, str) else v for k, v in short.items()}
    first: dict[str, bool | str | float] = {
        "Code size": float(config["model"]["latent_dim"]),
        "Data": names["data"],
        "Model": names["model"],
    }
    return {**first, "regularizers": shown_line(", ".join(terms) or "none"), **named}


def _setting(key: str) -> str:
    if key in _CAPITAL:
        return _CAPITAL[key]
    term = re.fullmatch(r"reg\.terms\.([^.]+)\.(.+)", key)
    part = term[1] if term else next((p for p in _PARTS if key == p or key.startswith(f"{p}.")), "")
    rest = term[2] if term else key.removeprefix(part).lstrip(".")
    return _plain(f"{part if term else _PARTS.get(part, '')} {rest}".strip()).replace("max epochs", "epochs")


def _flat(config: Mapping[str, Any]) -> dict[str, bool | str | float]:
    """Return a config by dotted keys; a part has its option's name, and nulls are left out."""
    named: dict[str, bool | str | float] = {}
    for key, value in flat(config).items():
        place, _, last = key.rpartition(".")
        if not _NOISE.isdisjoint(key.split(".")) or value is None or value == {}:
            continue
        if last == "_target_":
            *_, module, name = str(value).split(".")
            if place not in ("", "dataset", "trainer") and not place.startswith("reg."):
                named[place] = name if module == "optim" else module
        else:
            plain = isinstance(value, bool | str)
            named[key] = value if plain else float(value) if isinstance(value, int | float) else str(value)
    return named
