"""Lightning's adverts and remarks that say nothing about the user's run, at their source."""

import logging
import os
import warnings


def quiet_lightning() -> None:
    """Import Lightning and silence what is not about the run. Its warnings that point at a mistake of ours stay."""
    before = os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK")
    import pytorch_lightning  # noqa: F401

    if before is None:
        # Lightning sets it on import; torch then looks for a driver library at every optimizer step where there is none.
        os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
    for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # Lightning 2.6 asks torch in a way that torch 2.15 no longer likes.
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    # Data are on the compute device already: worker processes would only slow it down.
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    # Resuming writes into the run's own folder on purpose.
    warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty.*")
