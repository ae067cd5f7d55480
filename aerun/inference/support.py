"""Which verbs a model's parts allow."""

from aerun.autoencoder import Autoencoder


def unsupported_reason(verb: str, model: Autoencoder) -> str:
    """Return why this verb means nothing for the model; empty where it means something."""
    if verb in ("compress", "decompress") and model.told is not None:
        return f"a file of codes does not hold what this run is also told of each sample ({model.told.names}). See encode."
    if verb == "denoise" and not model.corruption.alters:
        return "this run was trained on clean input (model/corruption=none); see reconstruct."
    if verb == "inpaint" and (not model.corruption.hides or model.facts.tokens):
        return (
            "this run was not trained to fill holes; that takes model/corruption=block, masking or the like. What is missing "
            "in a file is filled in by impute."
        )
    if verb == "impute" and model.facts.tokens:
        return "text has no missing cells."
    return ""
