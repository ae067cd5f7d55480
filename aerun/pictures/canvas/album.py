"""Pictures drawn, and kept in the run: RUN/pictures/NAME.png, and pictures/NAME in TensorBoard."""

import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from aerun import pictures
from aerun.core.errors import AerunError
from aerun.evaluate.pca_baseline import pca_is_exact
from aerun.runs import files, plain
from aerun.trained import Trained

log = logging.getLogger("aerun")

_FIGURES = ("val/mse", "test/se", "test/psnr")


def draw_all(names: Iterable[str], trained: Trained, folder: Path) -> list[Path]:
    """Return the files written. Chance is drawn from the run's seed and leaves none behind.

    A picture that these data do not allow is told and left out.
    """
    drawn: dict[str, Any] = {}
    step = last_step(folder)
    for name in names:
        try:
            with torch.random.fork_rng():
                torch.manual_seed(trained.seed)
                picture = pictures.module(name).draw(trained, folder)
        except AerunError as e:
            log.warning("pictures: %s: %s", name, e)
            continue
        if picture is None:
            continue
        with files.replaced(folder, f"pictures/{name}.png") as file:
            Image.fromarray(picture).save(file, "PNG")
        drawn[name] = picture
    _to_board(folder, drawn, step)
    return [folder / "pictures" / f"{name}.png" for name in drawn]


def _to_board(folder: Path, drawn: Mapping[str, Any], step: int) -> None:
    if not drawn:
        return
    # deferred: TensorBoard is imported where something is written for it
    from aerun.runs.events import Events

    with Events(folder, ".pictures") as writer:
        for name, picture in drawn.items():
            writer.add_image(f"pictures/{name}", picture, step, dataformats="HWC")


def results(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write what runs are compared by, as scalars Results/...

    Capitals come first, so the HParams page shows these of all figures. pca_ratio: test/se over that of PCA of the same size;
    left out where PCA is exact.
    """
    # deferred: TensorBoard is imported where something is written for it
    from aerun.runs.events import Events

    figures = {k: metrics[k] for k in ("objective", *_FIGURES) if k in metrics}
    if not pca_is_exact(metrics):
        figures["pca_ratio"] = metrics["test/se"] / metrics["pca/se"]
    with Events(folder, ".results") as writer:
        for key, value in figures.items():
            writer.add_scalar(f"Results/{key}", value, last_step(folder))


def evaluation(folder: Path, metrics: Mapping[str, float], step: int) -> None:
    """Write what applications found, as scalars evaluation/APPLICATION/WHO/METRIC."""
    # deferred: TensorBoard is imported where something is written for it
    from aerun.runs.events import Events

    with Events(folder, ".evaluation") as writer:
        for key, value in metrics.items():
            writer.add_scalar(f"evaluation/{key}", value, step)


def last_step(folder: Path) -> int:
    """Return optimizer steps of the whole run, as metrics.csv counts them; 0 without it."""
    steps = (plain.numbers(folder, row).get("step", 0.0) for row in plain.rows(folder))
    return max((int(step) for step in steps if math.isfinite(step)), default=0)
