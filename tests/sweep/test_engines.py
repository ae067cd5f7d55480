"""Jobs on a cluster: resources of their own, the code and settings they were submitted under, and workers that die."""

import json
import math
import time
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from aerun.core.errors import AerunError
from aerun.runs.folder import SUBMITTED
from aerun.settings.overrides import config_of
from aerun.sweep import submitted
from aerun.sweep.resources import check, resources_of
from tests import slurm
from tests.shell import here, start

QUICK = ["trainer=smoke", "pictures=[]", "evaluate=[]", "trainer.progress=false", "model.arch.hidden=[4]"]
RULES = [{"when": {"model": "conv"}, "mem_gb": 32}, {"when": {"reg.lambda": 0.001, "model": "conv"}, "mem_gb": 64, "nodes": 2}]
SUBMITIT = "hydra_plugins.hydra_submitit_launcher"


def test_of_two_rules_the_later_holds():
    assert resources_of(RULES, ["model=ae", "reg.lambda=1e-3"]) == {}
    assert resources_of(RULES, ["model=conv", "seed=0"]) == {"mem_gb": 32}
    assert resources_of(RULES, ["+reg.lambda=1e-3", "model=conv"]) == {"mem_gb": 64, "nodes": 2}


@pytest.mark.parametrize(
    ("launcher", "rules", "said"),
    [
        ("submitit_slurm", "[{when: {model: conv}, mem: 3}]", "mem: no such setting of a job (nearest: mem_gb)"),
        ("submitit_slurm", "[{when: {model: vae}, mem_gb: 3}]", "of no job of this command is that typed"),
        ("submitit_slurm", "[{when: {model: conv}}]", "says of no setting what it is"),
        ("submitit_slurm", "[{mem_gb: 3}]", "a list of tables, each with `when`"),
        ("submitit_slurm", "3", "a list of tables"),
        ("basic", "[{when: {model: conv}, mem_gb: 3}]", "is for hydra/launcher=submitit_slurm and ray"),
        ("ray", "[{when: {model: conv}, num_gpu: 1}]", "num_gpu: no such setting of a job (nearest: num_gpus)"),
    ],
)
def test_what_cannot_be_given_is_told(launcher, rules, said):
    if launcher != "basic":
        pytest.importorskip("hydra_plugins.hydra_ray_launcher" if launcher == "ray" else SUBMITIT)
    cfg = config_of([f"hydra/launcher={launcher}", f"sweep.resources={rules}"])
    kind = str(cfg.hydra.launcher._target_).rpartition(".")[2]
    with pytest.raises(AerunError, match="resources") as told:
        check(cfg, kind, [["model=ae"], ["model=conv"]])
    assert said in str(told.value)


def test_jobs_of_the_same_resources_are_one_array_and_a_killed_job_ends_no_other(monkeypatch, capsys, tmp_path):
    pytest.importorskip(SUBMITIT)
    from submitit.core.utils import UncompletedJobError

    from aerun.sweep.submitit_jobs import SlurmJobs

    arrays = []

    def executor(self, resources):
        def map_array(call, typed, *more):
            arrays.append((resources, [words[0] for words in typed]))
            return [SimpleNamespace(results=lambda words=words: outcome(words)) for words in typed]

        return SimpleNamespace(map_array=map_array)

    def outcome(words):
        if words == ["model=vae"]:
            raise UncompletedJobError("Job output file with path /x/1_log.out/ was not written")
        return [words]

    monkeypatch.setattr(SlurmJobs, "_executor", executor)
    monkeypatch.setattr(SlurmJobs, "_given", lambda self, typed, number, loader: (typed, number))
    jobs = SlurmJobs()
    config = {"hydra": {"sweep": {"dir": str(tmp_path)}}, "sweep": {"resources": RULES}}
    jobs.setup(hydra_context=SimpleNamespace(config_loader=None), task_function=None, config=OmegaConf.create(config))
    found = jobs.launch([["model=ae"], ["model=conv"], ["model=vae"]], 0)
    assert arrays == [({}, ["model=ae", "model=vae"]), ({"mem_gb": 32}, ["model=conv"])]
    assert found[:2] == [["model=ae"], ["model=conv"]]
    assert math.isnan(found[2].return_value)
    assert "model=vae: a job was ended from outside" in capsys.readouterr().out


def test_a_mark_changes_with_code_and_settings(monkeypatch):
    plain = {"seed": 0, "dataset": {}, "model": {"arch": {"_target_": "tests.slurm.installed"}}, "trainer": {"max_epochs": 1}}
    monkeypatch.setenv(SUBMITTED, submitted.mark_of(plain))
    assert submitted.outdated(plain) == submitted.outdated({**plain, "notes": "other words"}) == ""
    assert "the options' files" in submitted.outdated({**plain, "seed": 1})
    assert "the code" not in submitted.outdated({**plain, "seed": 1})
    monkeypatch.setattr(submitted, "_files_of", lambda own: [])  # the module of the user's own is another
    submitted._code.cache_clear()
    assert "the code changed" in submitted.outdated(plain)
    monkeypatch.delenv(SUBMITTED)
    assert submitted.outdated(plain) == ""


def test_a_job_under_other_code_is_not_begun_and_what_is_there_is_kept(tmp_path, monkeypatch):
    line = ["-m", "sweep=s", "seed=0,1", *QUICK]
    assert here(tmp_path, *line[:2], "seed=0", *QUICK).code == 0
    folder = tmp_path / "outputs" / "sweeps" / "s"
    monkeypatch.setenv(SUBMITTED, json.dumps({"code": "then", "settings": "then"}))
    told = here(tmp_path, *line, "sweep.extend=true")
    assert told.code == 1
    assert "complete already" in told.out
    assert "not complete: seed=1: not begun: since it was submitted, the code and " in told.out
    (job,) = folder.glob("seed=0*")
    results = json.loads((job / "results.json").read_text())
    (job / "results.json").write_text(json.dumps({**results, "status": "running"}))
    told = here(tmp_path, *line)
    assert "failed: not begun" in told.out
    assert json.loads((job / "results.json").read_text())["status"] == "running"


@pytest.mark.slow
def test_on_slurm_jobs_have_their_own_memory_and_begin_under_what_was_submitted(tmp_path, monkeypatch):
    """The tasks of an array follow each other: while the first is at work, the option of the second is edited."""
    pytest.importorskip(SUBMITIT)
    folder = slurm.installed(tmp_path / "bin")
    monkeypatch.setenv("PATH", slurm.path_with(folder))
    (tmp_path / "own" / "optimizer").mkdir(parents=True)
    for name in ("one", "two"):
        (tmp_path / "own" / "optimizer" / f"{name}.yaml").write_text("defaults: [adam]\nlr: 0.01\n")
    words = ["-m", "--config-dir", "own", "sweep=s", "optimizer=one,two", "seed=0,1", "hydra/launcher=submitit_slurm"]
    rules = "sweep.resources=[{when: {seed: 1}, mem_gb: 32}]"
    process = start(tmp_path, *words, *QUICK, "hydra.launcher.mem_gb=8", rules)
    jobs = tmp_path / "outputs" / "sweeps" / "s"
    while not list(jobs.glob("optimizer=one*/results.json")) and process.poll() is None:
        time.sleep(0.01)
    (tmp_path / "own" / "optimizer" / "two.yaml").write_text("defaults: [adam]\nlr: 0.02\n")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    asked = [(folder / f"{number}.sbatch").read_text() for number in (1000, 1001)]
    assert ["#SBATCH --mem=8GB\n" in asked[0], "#SBATCH --mem=32GB\n" in asked[1]] == [True, True]
    assert "2 of 4 jobs completed" in out
    assert out.count("not begun: since it was submitted, the options' files") == 1
    assert here(tmp_path, *words[:-1], *QUICK).code == 0
