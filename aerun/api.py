"""Training from Python: the same settings as on the command line."""

import logging
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aerun.build import build
from aerun.core.errors import AerunError
from aerun.core.paths import config_dir
from aerun.dataset.base import validate_data
from aerun.formats.arrays import plain as array_of
from aerun.inference.loading import load
from aerun.inference.model import Model
from aerun.preparation.stored import plain
from aerun.runs import reference
from aerun.runs.folder import Folder
from aerun.settings.naming import new_folder
from aerun.settings.overrides import config_of, resolved
from aerun.train import train as run
from aerun.trained import Trained
from aerun.trainer.base import Job

_SAMPLES = "samples.npy"


def train(*overrides: str, x: Any = None, folder: str | Path | None = None, **settings: Any) -> Model:
    """See `aerun.train`."""
    typed = [*overrides, *written(settings)]
    if x is not None and any(o.startswith(("dataset=", "dataset.path=")) for o in typed):
        raise AerunError("x=... and dataset=...: samples come from one or the other.")
    composed(typed if x is None else ["dataset=array", *typed])  # a mistake leaves no folder behind
    path = Path(new_folder("outputs/runs", typed) if folder is None else folder).expanduser().absolute()
    if x is not None:
        typed = [*in_memory(x, path), *typed]
    run(composed(typed), path, shlex.join(["aerun", *typed, f"hydra.run.dir={path}"]))
    return load(path)


def fitted(x: Any, overrides: Sequence[str], folder: Path) -> Model:
    """A model of samples x (n, ...) alone: trained and nothing else, without a word, in a folder that may go afterwards.

    15 % of the samples, at least one, choose the best epoch and the threshold; nothing is kept for a test.
    """
    share = max(0.15, 1.5 / len(x))
    samples = in_memory(x, folder)
    own = [
        "trainer.progress=false",
        "pictures=[]",
        f"dataset.val={share}",
        *written({"dataset__test_path": str(folder / _SAMPLES)}),
    ]
    cfg = composed([*samples, *own, *overrides])
    level, logger = logging.getLogger("aerun").level, logging.getLogger("aerun")
    logger.setLevel(logging.ERROR)
    try:
        with torch.random.fork_rng():
            plan = build(cfg)
            data = validate_data(plan.dataset.load(), plan.facts, "array")
            kept = Folder(folder)
            kept.open(cfg, "aerun.sklearn")
            kept.describe(asdict(plan.facts), plain(plan.autoencoder.preparation))
            plan.autoencoder.start_from(data.train.x)
            job = Job(plan.autoencoder, data, plan.optimizer, plan.schedule, plan.seed, folder, cfg)
            device = plan.trainer.fit(job, False).device
            reference.write(Trained(plan.autoencoder, plan.dataset, device, plan.seed, data), folder)
    finally:
        logger.setLevel(level)
    return load(folder)


def in_memory(x: Any, path: Path) -> list[str]:
    """Overrides that read samples which are kept in the folder `path` from now on."""
    array = array_of(x)
    if array.dtype.kind not in "biuf":
        raise AerunError(f"x: holds {array.dtype}, not numbers.")
    path.mkdir(parents=True, exist_ok=True)
    np.save(path / _SAMPLES, array)
    return ["dataset=array", *written({"dataset__path": str(path / _SAMPLES)})]


def written(settings: Mapping[str, Any]) -> list[str]:
    """Keyword settings as overrides: `__` is a dot, None null, lists [a,b]; words are quoted where they must be."""
    return [f"{_key(key)}={_value(value)}" for key, value in settings.items()]


def _key(word: str) -> str:
    """model__arch is the group model/arch, model__latent_dim the setting model.latent_dim."""
    group = word.replace("__", "/")
    return group if (config_dir() / group).is_dir() else word.replace("__", ".")


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{k}:{_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, np.generic):
        return _value(value.item())
    word = str(value)
    if not isinstance(value, str | Path) or re.fullmatch(r"[\w./+-]+", word):
        return word
    quoted = word.replace("'", "\\'")
    return f"'{quoted}'"


def composed(overrides: Sequence[str]) -> dict[str, Any]:
    """What the command line composes from these, resolved. Errors are Hydra's words as an AerunError."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from aerun.settings.explain import explain

    try:
        return resolved(config_of(overrides))
    except (HydraException, OmegaConfBaseException) as e:
        raise AerunError(explain(e, (AerunError, AerunError))[1]) from e
