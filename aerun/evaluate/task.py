"""What a run is for: the one application whose figures answer what was asked."""

from collections.abc import Sequence

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate import applications

PLAIN = "reconstruction"
AUTO = "auto"
# Applications that stand for a task, the most telling first: normal classes, holes, noise, whole numbers, a prior.
TASKS = ("anomaly", "inpainting", "denoising", "compression", "held_out")


def task_of(model: Autoencoder, dataset: Dataset, asked: Sequence[str] = ()) -> str:
    """Return the task: the first application that was asked for and stands for one, else what model and data are made for.

    Noise that is there for the sake of the code (a code as large as the data, or one with a prior) is no denoising. Single
    elements that are hidden are missing cells in a table, and noise in images and series.
    """
    for name in asked:
        if name in TASKS:
            return name
    return next((name for name in TASKS if _made_for(name, model, dataset)), PLAIN)


def _made_for(name: str, model: Autoencoder, dataset: Dataset) -> bool:
    if applications.unsupported_reason(name, model, dataset):
        return False
    if name == "inpainting" and not model.corruption.makes_holes:
        return dataset.facts().kind == "table" and model.code_elements < dataset.facts().size
    if name == "denoising":
        return model.code_elements < dataset.facts().size
    return name != "compression" or (model.bottleneck.whole and not model.bottleneck.levels)
