"""Lightning's adverts and remarks that say nothing about the user's run, silenced where it runs and nowhere else."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_REMARKS = (
    # Lightning 2.6 asks torch in a way that torch 2.15 no longer likes.
    r".*isinstance\(treespec, LeafSpec\).*",
    # Data are on the compute device already: worker processes would only slow it down.
    ".*does not have many workers.*",
    # Resuming writes into the run's own folder on purpose.
    "Checkpoint directory .* exists and is not empty.*",
    # What is logged are sums over all ranks already.
    "It is recommended to use `self.log.* when logging on epoch level in distributed setting.*",
    # On a machine of a Slurm cluster, where a run need not be one of its jobs.
    r"The `srun` command is available on your system but is not used.*",
    # Nothing is logged by Lightning: events and metrics.csv are our own, one row an epoch.
    r"The number of training batches .* is smaller than the logging interval.*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Import Lightning and run without remarks that are not about the run. Warnings that point at a mistake stay."""
    before = os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK")
    with warnings.catch_warnings():
        for remark in _REMARKS:
            warnings.filterwarnings("ignore", message=remark)
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # Lightning imports it, and it talks about its font cache
        import pytorch_lightning  # noqa: F401

        if before is None:
            # Lightning sets it on import; torch may then look for a driver library at every optimizer step.
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
        for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning", "lightning.pytorch"):
            logging.getLogger(name).setLevel(logging.ERROR)
        yield
