"""Pictures drawn, and kept in the run: RUN/pictures/NAME.png, and pictures/NAME in TensorBoard."""

import csv
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from aerun import pictures
from aerun.core.errors import AerunError
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.trained import Trained

log = logging.getLogger("aerun")

_FIGURES = ("val/mse", "test/se", "test/psnr")


def draw_all(names: Iterable[str], trained: Trained, folder: Path) -> list[Path]:
    """The files written. Chance is drawn from the run's seed and leaves none behind; a picture that these data do not allow
    is told and left out.
    """
    written, step = [], last_step(folder)
    for name in names:
        try:
            with torch.random.fork_rng():
                torch.manual_seed(trained.seed)
                found = pictures.module(name).draw(trained, folder)
        except AerunError as e:
            log.warning("pictures: %s: %s", name, e)
            continue
        if found is None:
            continue
        path = folder / "pictures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(found).save(path)
        written.append(path)
    _to_board(folder, written, step)
    return written


def _to_board(folder: Path, written: list[Path], step: int) -> None:
    if not written:
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), filename_suffix=".pictures") as writer:
        for path in written:
            with Image.open(path) as picture:
                writer.add_image(f"pictures/{path.stem}", _array(picture), step, dataformats="HWC")


def _array(picture: Image.Image) -> Any:
    import numpy as np

    return np.asarray(picture.convert("RGB"))


def results(folder: Path, found: Mapping[str, Any]) -> None:
    """What runs are compared by, as scalars Results/...: capitals come first, so the HParams page shows these of all figures.

    pca_ratio: test/se over that of PCA of the same size; left out where PCA is exact.
    """
    from torch.utils.tensorboard import SummaryWriter

    figures = {k: found[k] for k in ("objective", *_FIGURES) if k in found}
    if not pca_is_exact(found):
        figures["pca_ratio"] = found["test/se"] / found["pca/se"]
    with SummaryWriter(str(folder), filename_suffix=".results") as writer:
        for key, value in figures.items():
            writer.add_scalar(f"Results/{key}", value, last_step(folder))


def last_step(folder: Path) -> int:
    """Optimizer steps of the whole run, as metrics.csv counts them; 0 without it."""
    try:
        with (folder / "metrics.csv").open(newline="") as f:
            return max((int(row["step"]) for row in csv.DictReader(f)), default=0)
    except (OSError, KeyError, ValueError):
        return 0
