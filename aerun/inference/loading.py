"""A model from a run's folder, which may be a stranger's: nothing in it is executed, and nothing is read outside of it."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from aerun.build import dataset_of
from aerun.build.from_run import autoencoder_of, naming_damage
from aerun.build.stored import refuse_settings
from aerun.core.checks import seed_of
from aerun.core.paths import with_data
from aerun.dataset.base import Dataset
from aerun.inference.model import Model
from aerun.runs.checkpoint import run_folder
from aerun.runs.folder import Folder
from aerun.settings.targets import named_in, refuse_foreign
from aerun.trained import Trained


def load(run: str | PathLike[str], weights: str = "best", trust: Sequence[str] = ()) -> Model:
    """Return the model that a run left in its folder; for a sweep's folder, that of its best run. No data are read.

    weights: `best` or `last`. trust: further modules whose classes may be built, for parts that are not aerun's own. Raises
    AerunError where the folder is not a run's, is damaged, or asks for what is not trusted.
    """
    folder = Folder(run_folder(Path(run).expanduser()))
    return _model(folder, folder.config(), weights, tuple(trust), None)


def trained(
    run: str | Path, weights: str = "best", trust: Sequence[str] = (), data: str | Path | None = None
) -> tuple[Trained, Folder]:
    """Return the same model together with its data set, to be evaluated, and the run's folder.

    The data are read on first use, from where config.yaml says, or from where `data` says that they are now.
    """
    folder = Folder(run_folder(Path(run).expanduser()))
    cfg = folder.config()
    refuse_settings(cfg, tuple(trust))
    refuse_foreign(named_in(cfg), tuple(trust))
    cfg = with_data(cfg, data)
    with naming_damage(folder):
        dataset = dataset_of(cfg, tuple(trust))
    model = _model(folder, cfg, weights, tuple(trust), dataset)
    return Trained(model.autoencoder.requires_grad_(True), dataset, model.device, model.seed), folder


def _model(folder: Folder, cfg: dict[str, Any], weights: str, trusted: Sequence[str], dataset: Dataset | None) -> Model:
    """Return the model in a run's folder with its weights.

    dataset: asked for its facts where the folder does not hold them.
    """
    autoencoder = autoencoder_of(folder, cfg, weights, trusted, dataset)
    with naming_damage(folder):
        seed = seed_of(cfg)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Model(autoencoder.to(device).eval().requires_grad_(False), cfg, folder, device, seed)
