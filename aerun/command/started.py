"""Starts by torchrun, srun and mpirun, which run a command several times: one run has one writer."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from aerun.core.errors import AerunError

# Of Open MPI, and of MPICH and those that follow it (Intel's): the number of processes, which this is, how many are here.
_MPI = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    ("PMI_SIZE", "PMI_RANK", "MPI_LOCALNRANKS"),
)


class Start(NamedTuple):
    """This process as one of `number` equal ones that `by` started, `rank` from 0; local: all are on one machine."""

    by: str
    rank: int
    number: int
    local: bool


def start() -> Start | None:
    """Return how this command was started; None where it was started once."""
    env = os.environ
    if "LOCAL_RANK" in env and "RANK" in env and _number("WORLD_SIZE") > 1:
        alone = _number("LOCAL_WORLD_SIZE", _number("WORLD_SIZE")) == _number("WORLD_SIZE")
        return Start("torchrun", _number("RANK", 0), _number("WORLD_SIZE"), alone)
    tasks = _number("SLURM_STEP_NUM_TASKS", _number("SLURM_NTASKS"))
    # A batch script has SLURM_PROCID=0 and the number of tasks of the whole job, though it runs once: a step says so itself.
    in_step = any(key in env for key in ("SLURM_STEP_NUM_TASKS", "SLURM_SRUN_COMM_HOST", "SLURM_LAUNCH_NODE_IPADDR"))
    if "SLURM_PROCID" in env and tasks > 1 and (in_step or _number("SLURM_PROCID", 0) > 0):
        nodes = _number("SLURM_STEP_NUM_NODES", _number("SLURM_JOB_NUM_NODES"))
        return Start("srun", _number("SLURM_PROCID", 0), tasks, nodes == 1)
    for size_of, rank, local in _MPI:
        if rank in env and _number(size_of) > 1:
            return Start("mpirun", _number(rank, 0), _number(size_of), _number(local, _number(size_of)) == _number(size_of))
    return None


def _number(key: str, otherwise: int = 1) -> int:
    word = os.environ.get(key, "")
    return int(word) if word.isdecimal() else otherwise


def is_left_to_the_first(overrides: Sequence[str]) -> bool:
    """Return whether another of the processes does what was typed, and this one has nothing to do.

    That is so where trainer.devices is typed and is the number of processes on one machine: the first of them does the run and
    starts the others that it needs by itself. Raises AerunError for any other start of several processes.
    """
    how = start()
    if how is None:
        return False
    typed = [o.lstrip("+").partition("=")[2] for o in overrides if o.lstrip("+").startswith("trainer.devices=")]
    if how.local and typed[-1:] == [str(how.number)]:
        return how.rank > 0
    more = f"trainer.devices={how.number}" if how.local else "trainer.devices=N for the devices of one machine"
    raise AerunError(
        f"{how.by} started this command {how.number} times (this is number {how.rank + 1}), and each would do the whole run. "
        f"Start it once, with {more}; several runs at once are a sweep: aerun -m ... sweep.jobs=N."
    )
