"""Which verbs a model's parts allow."""

from aerun.autoencoder import Autoencoder
from aerun.compose import option


def unsupported_reason(verb: str, model: Autoencoder) -> str:
    """Return why this verb means nothing for the model; empty where it means something."""
    if verb in ("compress", "decompress") and model.told is not None:
        return f"a file of codes does not hold what this run is also told of each sample ({model.told.names}). See encode."
    if verb == "denoise" and not model.corruption.alters:
        return "this run was trained on clean input (model/corruption=none); see reconstruct."
    if verb == "denoise" and not model.corruption.is_noise:
        name = option(model.corruption)
        return f"this run was trained on cells of other rows (model/corruption={name}), which no sample shows to be noise."
    if verb == "inpaint" and (not model.corruption.hides or model.facts.tokens):
        return (
            "this run was not trained to fill holes; that takes model/corruption=block, masking or the like. What is missing "
            "in a file is filled in by impute."
        )
    if verb == "impute" and model.facts.tokens:
        return "text has no missing cells."
    return ""
