"""Where aerun's own log goes, and which of Lightning's messages are silenced, in one place."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from aerun.core.text import shown

_REMARKS = (
    # Lightning 2.6 calls torch in a way that torch 2.15 has deprecated.
    r".*isinstance\(treespec, LeafSpec\).*",
    # Data are on the compute device already, so worker processes would only slow the run down.
    ".*does not have many workers.*",
    # A resumed run writes into its own folder on purpose.
    "Checkpoint directory .* exists and is not empty.*",
    # The values that are logged are sums over all ranks already.
    "It is recommended to use `self.log.* when logging on epoch level in distributed setting.*",
    # A run on a machine of a Slurm cluster need not be one of its jobs.
    r"The `srun` command is available on your system but is not used.*",
    # Lightning logs nothing: aerun writes events and metrics.csv itself, one row for each epoch.
    r"The number of training batches .* is smaller than the logging interval.*",
)


def show_escaped() -> None:
    """Escape every character in aerun's log that acts on a terminal without being seen, on screen and in files."""
    logger = logging.getLogger("aerun")
    if _escaped not in logger.filters:
        logger.addFilter(_escaped)


def _escaped(record: logging.LogRecord) -> bool:
    record.msg, record.args = shown(record.getMessage()), ()
    return True


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Import Lightning and run the block without remarks that are not about the run.

    Warnings that point at a mistake stay.
    """
    before = os.environ.get("PYTORCH_NVML_BASED_CUDA_CHECK")
    with warnings.catch_warnings():
        for remark in _REMARKS:
            warnings.filterwarnings("ignore", message=remark)
        logging.getLogger("matplotlib").setLevel(logging.ERROR)  # Lightning imports it, and it logs its font cache
        import pytorch_lightning  # noqa: F401

        if before is None:
            # Lightning sets it on import; torch may then look for a driver library at every optimizer step.
            os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK", None)
        for name in ("pytorch_lightning.utilities.rank_zero", "pytorch_lightning", "lightning.pytorch"):
            logging.getLogger(name).setLevel(logging.ERROR)
        yield


def log_to_terminal() -> None:
    """Show warnings and errors on stderr, with nothing before their text."""
    logging.basicConfig(format="%(message)s", force=True)
    logging.getLogger().handlers[0].setLevel(logging.WARNING)


@contextmanager
def quiet_aerun() -> Iterator[None]:
    """Silence aerun's own warnings and remarks: what runs in the block is a part of another program."""
    logger = logging.getLogger("aerun")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
