"""Launchers: wherever the jobs of a sweep run, they leave the same; what is missing is told; what stops goes on."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from aerun.runs.lock import alone
from aerun.settings.overrides import config_of
from aerun.sweep import launchers
from aerun.trainer.lightning import Training
from tests import loaded, slurm
from tests.shell import here, metrics, outside, stopped, timeless

ROOT = Path(__file__).parents[2]
QUICK = ["trainer=smoke", "pictures=[]"]
_OUTCOME = ("status", "test/se", "error")
SUBMITIT, RAY = "hydra_plugins.hydra_submitit_launcher", "hydra_plugins.hydra_ray_launcher"


def results(sweep):
    """results.json of each job by its name."""
    return {p.parent.name: json.loads(p.read_text()) for p in sorted(sweep.glob("*/results.json"))}


@pytest.fixture
def slurm_here(tmp_path, monkeypatch):
    """Slurm's commands, or what stands in for them; the folder with what they were asked."""
    pytest.importorskip(SUBMITIT)
    folder = slurm.installed(tmp_path / "bin")
    monkeypatch.setenv("PATH", slurm.path_with(folder))
    return folder


@pytest.mark.parametrize(
    ("name", "extra"), [("joblib", "sweep"), ("ray", "ray"), ("submitit_local", "slurm"), ("submitit_slurm", "slurm")]
)
def test_a_launcher_that_is_not_installed(tmp_path, monkeypatch, name, extra):
    Plugins.instance()  # has registered what is installed
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["launcher"], f"{name}.yaml", raising=False)
    told = here(tmp_path, "-m", f"hydra/launcher={name}", "sweep=s", "seed=0,1", *QUICK)
    assert told.code == 2
    assert told.err == f"aerun: error: hydra/launcher={name}: is not installed: pip install 'aerun[{extra}]'\n"
    assert not (tmp_path / "outputs").exists()


def test_jobs_at_once_without_joblibs_launcher(tmp_path, monkeypatch):
    monkeypatch.setattr(launchers, "find_spec", lambda name: None)
    told = here(tmp_path, "-m", "sweep.jobs=2", "sweep=s", "seed=0,1", *QUICK)
    assert told.code == 2
    assert "pip install 'aerun[sweep]'" in told.err
    assert not (tmp_path / "outputs").exists()


def test_a_misspelt_launcher(tmp_path):
    told = here(tmp_path, "-m", "hydra/launcher=submitit_slrum", "seed=0,1", *QUICK)
    assert told.code == 2
    assert "no such launcher (nearest: submitit_slurm) (basic, " in told.err
    assert told.err.count("\n") == 1


def test_slurm_needs_slurm(tmp_path, monkeypatch):
    pytest.importorskip(SUBMITIT)
    monkeypatch.setenv("PATH", str(tmp_path))
    told = here(tmp_path, "-m", "hydra/launcher=submitit_slurm", "seed=0,1", *QUICK)
    assert told.code == 2
    assert "no srun here" in told.err
    assert not (tmp_path / "outputs").exists()


def test_slurm_is_composed(tmp_path):
    pytest.importorskip(SUBMITIT)
    words = ["hydra/launcher=submitit_slurm", "hydra.launcher.partition=gpu", "hydra.launcher.array_parallelism=8"]
    told = here(tmp_path, *words, "--cfg", "hydra", "-p", "hydra.launcher")
    assert told.code == 0
    assert "partition: gpu\n" in told.out
    assert "array_parallelism: 8\n" in told.out
    told = here(tmp_path, words[0], "hydra.launcher.partiton=gpu", "--cfg", "hydra", "-p", "hydra.launcher")
    assert told.code == 2
    assert "partiton" in told.err


@pytest.mark.parametrize(
    ("launcher", "jobs", "threads"),
    [
        ("submitit_local", 1, 8),
        ("submitit_local", 3, 2),
        ("submitit_local", 100, 1),
        ("submitit_local hydra.launcher.cpus_per_task=4", 100, 4),
        ("submitit_slurm hydra.launcher.cpus_per_task=4", 100, 4),
        ("submitit_slurm", 100, None),  # Slurm's own share
    ],
)
def test_jobs_share_the_cores(monkeypatch, slurm_here, launcher, jobs, threads):
    monkeypatch.setattr(launchers, "_cores", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that it is put back
    monkeypatch.delenv("OMP_NUM_THREADS")
    launchers.settings(config_of(f"hydra/launcher={launcher}".split()), jobs)
    assert os.environ.get("OMP_NUM_THREADS") == (threads and str(threads))


def test_lightning_leaves_requeueing_to_submitit(tmp_path, monkeypatch):
    """In a job of Slurm's, of one task or of several, it asks nothing of Slurm and waits for no signal; outside, no words."""
    monkeypatch.setenv("PATH", slurm.path_with(slurm.installed(tmp_path / "bin")))
    assert here(tmp_path, *QUICK, "hydra.run.dir=outside").err == ""
    for key, value in {"JOB_ID": "7", "JOB_NAME": "aerun", "NTASKS": "4", "NTASKS_PER_NODE": "4", "PROCID": "0"}.items():
        monkeypatch.setenv(f"SLURM_{key}", value)
    handlers, begin = [], Training.on_train_start

    def watched(self):
        handlers.append(signal.getsignal(signal.SIGUSR1))
        begin(self)

    monkeypatch.setattr(Training, "on_train_start", watched)
    told = here(tmp_path, *QUICK, "hydra.run.dir=run")
    assert (told.code, told.err) == (0, "")
    assert handlers == [signal.SIG_DFL]


def test_a_job_that_another_process_does_is_told(tmp_path):
    line = ["-m", "sweep=s", "seed=0,1", *QUICK]
    sweep = tmp_path / "outputs" / "sweeps" / "s"
    with alone(sweep / "seed=1,trainer=smoke,pictures=_"):
        told = here(tmp_path, *line)
    assert told.code == 1
    assert "1 of 2 jobs completed" in told.out
    assert "not complete: seed=1: another process is at work on it" in told.out
    told = here(tmp_path, *line)
    assert told.code == 0
    assert told.out.count("complete already") == 1


def _same_as_here(tmp_path, launcher):
    """A sweep with a job that fails: on this launcher and one by one; then again, where it was not."""
    words = ["-m", "sweep=s", "optimizer=sgd", "optimizer.lr=1e-2,1e30", *QUICK]
    (tmp_path / "one").mkdir()
    here(tmp_path / "one", *words)
    told = loaded.outside(tmp_path, *words, *launcher)
    assert told.code == 1
    assert "1 of 2 jobs completed" in told.out
    assert told.out.count("loss is not finite") >= 1
    assert told.err == ""
    ours, theirs = (results(p / "outputs" / "sweeps" / "s") for p in (tmp_path, tmp_path / "one"))
    assert list(ours) == list(theirs)
    assert len(ours) == 2
    for name, found in ours.items():
        assert [found.get(k) for k in _OUTCOME] == [theirs[name].get(k) for k in _OUTCOME]
    before = {name: found.get("started") for name, found in ours.items() if found["status"] == "completed"}
    repeated = here(tmp_path, *words)
    assert repeated.code == 1
    assert repeated.out.count("complete already") == 1
    again = results(tmp_path / "outputs" / "sweeps" / "s")
    assert {name: again[name]["started"] for name in before} == before
    return told


@pytest.mark.slow
def test_ray(tmp_path):
    """A cluster of two cores on this machine, started for the sweep."""
    pytest.importorskip(RAY, reason="pip install 'aerun[ray]'")
    _same_as_here(tmp_path, ["hydra/launcher=ray", "+hydra.launcher.ray.init.num_cpus=2"])


@pytest.mark.slow
def test_submitit_local(tmp_path):
    pytest.importorskip(SUBMITIT)
    told = _same_as_here(tmp_path, ["hydra/launcher=submitit_local"])
    assert "2 jobs, all at once on " in told.out


@pytest.mark.slow
def test_slurm(tmp_path, slurm_here):
    """What submitit writes is run by a stand-in for Slurm."""
    settings = ["partition=gpu", "timeout_min=30", "gpus_per_node=1", "cpus_per_task=4", "mem_gb=8", "array_parallelism=2"]
    _same_as_here(tmp_path, ["hydra/launcher=submitit_slurm", *(f"hydra.launcher.{s}" for s in settings)])
    asked = (slurm_here / "1000.sbatch").read_text()
    wanted = ("array=0-1%2", "partition=gpu", "time=30", "gpus-per-node=1", "cpus-per-task=4", "mem=8GB", "signal=USR2@120")
    for line in wanted:
        assert f"#SBATCH --{line}\n" in asked


@pytest.mark.slow
def test_a_requeued_job_goes_on(tmp_path, slurm_here):
    """Signalled before its time limit: submitit starts it again, and it ends as if undisturbed."""
    words = ["trainer.max_epochs=40", "pictures=[]"]
    launcher = ["hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=5", "hydra.launcher.max_num_timeout=1"]
    folder = tmp_path / "outputs" / "sweeps" / "s" / "seed=0,trainer.max_epochs=40,pictures=_"
    sweep = loaded.start(tmp_path, "-m", "sweep=s", "seed=0", *words, *launcher)
    _signal(slurm_here, folder, epochs=5)
    out, err = sweep.communicate(timeout=300)
    assert (sweep.returncode, err) == (0, "")
    assert "1 of 1 jobs completed" in out
    assert len(list(tmp_path.glob("outputs/sweeps/s/.submitit/*/*_submitted.pkl"))) == 1
    alone_ = tmp_path / "alone"
    assert here(tmp_path, "seed=0", *words, f"hydra.run.dir={alone_}").code == 0
    assert timeless(folder) == timeless(alone_)


@pytest.mark.slow
def test_a_time_limit_is_no_failure(tmp_path, slurm_here):
    """Not to be started again by submitit, the job is stopped; the same command goes on with it."""
    line = ["-m", "sweep=s", "seed=0", "trainer.max_epochs=40", "pictures=[]"]
    folder = tmp_path / "outputs" / "sweeps" / "s" / "seed=0,trainer.max_epochs=40,pictures=_"
    sweep = loaded.start(tmp_path, *line, "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=5")
    _signal(slurm_here, folder, epochs=5)
    out, err = sweep.communicate(timeout=300)
    assert (sweep.returncode, err) == (1, "")
    assert "not complete: the job: stopped at its time limit; the same command goes on with it" in out
    told = here(tmp_path, *line)
    assert told.code == 0
    assert "gone on with" in told.out
    assert len(metrics(folder)) == 40


def _signal(slurm_here, folder, epochs):
    """As Slurm does `signal_delay_s` before a job's time is over."""
    while len(metrics(folder)) < epochs:
        time.sleep(0.01)
    (process,) = slurm_here.glob("*.pid")
    os.kill(int(process.read_text()), signal.SIGUSR2)


@pytest.mark.slow
def test_forty_jobs_leave_memory_and_files_level(tmp_path):
    watch = "+hydra.callbacks.watch._target_=tests.watch.Watch"
    told = outside(tmp_path, "-m", "sweep=s", "seed=range(40)", *QUICK, watch, path=ROOT)
    assert told.code == 0, told.err
    usage = [[float(v) for v in line.split()] for line in (tmp_path / "usage.txt").read_text().splitlines()]
    assert len(usage) == 40
    # Megabytes. Hydra keeps the config of every job, a third of one; a model kept with its optimizer would be five.
    assert usage[-1][0] - usage[9][0] < 36
    assert usage[-1][1] <= usage[9][1]


@pytest.mark.slow
def test_two_processes_share_a_sweep(tmp_path):
    """Each job is done once, whoever does it."""
    line = ["-m", "sweep=s", "model=ae,linear", "seed=0,1,2", "trainer.max_epochs=8", "pictures=[]"]
    (tmp_path / "one").mkdir()
    assert here(tmp_path / "one", *line).code == 0
    both = [loaded.start(tmp_path, *line) for _ in range(2)]
    told = [(*p.communicate(timeout=300), p.returncode) for p in both]
    assert sum(line.startswith("\t   SE ") for out, *_ in told for line in out.splitlines()) == 6  # trained, by either
    assert {code for *_, code in told} <= {0, 1}
    assert all(err == "" for _, err, _ in told)
    ours, theirs = (results(p / "outputs" / "sweeps" / "s") for p in (tmp_path, tmp_path / "one"))
    assert list(ours) == list(theirs)
    for name in ours:
        assert ours[name]["test/se"] == theirs[name]["test/se"]
        paths = [p / "outputs" / "sweeps" / "s" / name for p in (tmp_path, tmp_path / "one")]
        assert timeless(paths[0]) == timeless(paths[1])
        assert len(list(paths[0].glob("events.*"))) == len(list(paths[1].glob("events.*")))
    told = here(tmp_path, *line)
    assert told.code == 0
    assert told.out.count("complete already") == 6


@pytest.mark.slow
def test_a_killed_run_leaves_readable_events(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = tmp_path / "run"
    process = loaded.start(tmp_path, "trainer.max_epochs=4000", "pictures=[]", f"hydra.run.dir={folder}")
    assert stopped(process, signal.SIGKILL, folder, epochs=100).code == -signal.SIGKILL
    board = EventAccumulator(str(folder))
    board.Reload()
    points = {e.step: e.value for e in board.Scalars("Error/MSE per element, val")}
    rows = metrics(folder)
    assert len(rows) >= len(points) > 3  # rows are written first, up to half a second of them at a time
    for row in rows[: len(points)]:
        assert points[int(row["epoch"]) + 1] == pytest.approx(row["val/mse"])


def planted(folder):
    """Modules in the working folder that say so if they are imported."""
    for name in ("joblib", "numpy", "cloudpickle", "torch", "hydra", "yaml", "omegaconf"):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'imported')!r}, 'a').write(__name__)\n")


def test_nothing_is_imported_from_the_working_folder(tmp_path):
    planted(tmp_path)
    told = outside(tmp_path, "compare", "--help")
    assert told.code == 0, told.err
    assert not (tmp_path / "imported").exists()


@pytest.mark.slow
def test_jobs_import_nothing_from_the_working_folder(tmp_path):
    planted(tmp_path)
    told = outside(tmp_path, "-m", "sweep=g", "sweep.jobs=2", "model.latent_dim=2,3", "trainer=smoke", "pictures=[]")
    assert told.code == 0, told.err
    assert not (tmp_path / "imported").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks /proc which signals a process ignores")
def test_what_tidies_up_behind_jobs_outlives_a_terminal_that_is_closed():
    pytest.importorskip("joblib")
    from joblib.externals.loky.backend import resource_tracker

    tracker = resource_tracker._resource_tracker
    if tracker._fd is not None:
        tracker._stop()
    before = signal.getsignal(signal.SIGHUP)
    launchers.start_tracker()
    try:
        status = Path(f"/proc/{tracker._pid}/status").read_text()
        ignored = int(next(line for line in status.splitlines() if line.startswith("SigIgn:")).split()[1], 16)
        assert ignored & 1 << signal.SIGHUP - 1
        assert signal.getsignal(signal.SIGHUP) == before
    finally:
        tracker._stop()
