"""Which verbs a model's parts allow."""

from aerun.autoencoder import Autoencoder
from aerun.compose import option

_OF_CODES = ("decode", "generate", "interpolate", "traverse")


def unsupported_reason(verb: str, model: Autoencoder) -> str:
    """Return why this verb means nothing for the model; empty where it means something."""
    if verb in ("compress", "decompress") and model.told is not None:
        return f"a file of codes does not hold what this run is also told of each sample ({model.told.names}). See encode."
    if verb in ("compress", "decompress") and model.facts.source:
        return "a file of codes stands for samples, and this run computes other numbers of them (dataset.target). See encode."
    if verb in _OF_CODES and model.arch.skip:
        return "codes are not all that is decoded here: the decoder also reads the sample (model.arch.skip). See reconstruct."
    if verb == "impute" and model.facts.source:
        return "what this run computes of samples is no missing cell of theirs; see reconstruct."
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
