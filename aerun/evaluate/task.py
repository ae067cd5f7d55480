"""What a run is for: the one application whose figures answer what was asked."""

from collections.abc import Sequence

from aerun.autoencoder import Autoencoder
from aerun.dataset.base import Dataset
from aerun.evaluate import applications

PLAIN = "reconstruction"
AUTO = "auto"
# Applications that stand for a task, the most telling first: normal classes, gaps, holes, noise, whole numbers, a prior.
TASKS = ("anomaly", "imputation", "inpainting", "denoising", "compression", "held_out")


def task_of(model: Autoencoder, dataset: Dataset, asked: Sequence[str] = ()) -> str:
    """Return the task: the first application that was asked for and stands for one, else what model and data are made for.

    Noise that is there for the sake of the code (a code as large as the data, or one with a prior) is no denoising. Single
    elements that are hidden are missing cells in a table, and noise in images and series.
    """
    for name in asked:
        if name in TASKS:
            return name
    return next((name for name in TASKS if _made_for(name, model, dataset)), PLAIN)


def unmeasured(model: Autoencoder, dataset: Dataset) -> str:
    """Return why what the model's parts are made for is not measured on these data, in a sentence; nothing where it is."""
    facts, corruption = dataset.facts(), model.corruption
    meant = {
        "anomaly": "novelty" in model.offers,
        "inpainting": corruption.makes_holes,
        "denoising": corruption.alters and corruption.is_noise and model.code_elements < facts.size,
        "compression": _compresses(model),
        "held_out": model.follows_prior,
    }
    name = next((name for name, made in meant.items() if made), "")
    why = applications.unsupported_reason(name, model, dataset) if name else ""
    if not why:
        return ""
    other = "generation" if name == "held_out" and not applications.unsupported_reason("generation", model, dataset) else ""
    more = f"; evaluate=[{other}] compares what it draws with the data" if other else ""
    return f"{_SPOKEN.get(name, name.capitalize())} is not measured here: it {why}{more}."


_SPOKEN = {"held_out": "The likelihood of held-out samples"}


def _made_for(name: str, model: Autoencoder, dataset: Dataset) -> bool:
    if applications.unsupported_reason(name, model, dataset):
        return False
    if name == "imputation":
        return model.preparation.keeps_gaps
    if name == "inpainting" and not model.corruption.makes_holes:
        return dataset.facts().kind == "table" and model.code_elements < dataset.facts().size
    if name == "denoising":
        return model.code_elements < dataset.facts().size
    return name != "compression" or _compresses(model)


def _compresses(model: Autoencoder) -> bool:
    return model.bottleneck.whole and not model.bottleneck.levels
