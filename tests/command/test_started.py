"""A command that torchrun, srun or mpirun starts several times: one run has one writer."""

import pytest

from aerun.command.started import is_left_to_the_first, start
from aerun.core.errors import AerunError
from tests.shell import here

TORCHRUN = {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
STARTS = {
    "torchrun": TORCHRUN,
    "srun": {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_NUM_NODES": "1"},
    "mpirun": {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"},
    "mpirun of MPICH": {"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALNRANKS": "2"},
}


@pytest.fixture(autouse=True)
def _started_once(monkeypatch):
    for key in (
        *TORCHRUN,
        *STARTS["srun"],
        *STARTS["mpirun"],
        *STARTS["mpirun of MPICH"],
        "SLURM_STEP_NUM_TASKS",
        "SLURM_STEP_NUM_NODES",
    ):
        monkeypatch.delenv(key, raising=False)


def give(monkeypatch, environment):
    for key, value in environment.items():
        monkeypatch.setenv(key, value)


@pytest.mark.parametrize("by", STARTS)
def test_each_of_several_starts_is_refused_in_words(tmp_path, monkeypatch, by):
    give(monkeypatch, STARTS[by])
    for command in ((), ("-m", "seed=0,1"), ("trainer.devices=3",)):
        told = here(tmp_path, *command)
        assert (told.code, told.err.count("\n")) == (2, 1), told
        assert f"{by.split()[0]} started this command 2 times (this is number 2)" in told.err
        assert "trainer.devices=2" in told.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("by", STARTS)
def test_with_as_many_devices_the_first_does_the_run(tmp_path, monkeypatch, by):
    give(monkeypatch, STARTS[by])
    assert here(tmp_path, "trainer.devices=2").code == 0
    assert not list(tmp_path.iterdir())
    first = {k: "0" for k in STARTS[by] if k.endswith(("RANK", "PROCID"))}
    give(monkeypatch, {**first, "SLURM_STEP_NUM_TASKS": "2"} if by == "srun" else first)
    assert not is_left_to_the_first(["trainer.devices=2"])
    with pytest.raises(AerunError, match="number 1"):
        is_left_to_the_first([])


def test_several_machines_are_refused_whatever_the_devices(monkeypatch):
    give(monkeypatch, {**TORCHRUN, "WORLD_SIZE": "4"})
    with pytest.raises(AerunError, match="devices of one machine"):
        is_left_to_the_first(["trainer.devices=4"])


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"},  # a job of submitit's
        {"SLURM_NTASKS": "8"},  # a shell of salloc's
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0"},  # a batch script, which runs once
        {"SLURM_NTASKS": "8", "SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
        {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"},
        {"WORLD_SIZE": "2"},
    ],
)
def test_a_command_that_was_started_once_is_not_refused(monkeypatch, environment):
    give(monkeypatch, environment)
    assert start() is None
