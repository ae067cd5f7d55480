"""A sweep is planned before its first job trains: what a model does not have is decided, and every mistake is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from aerun.settings.overrides import config_of, resolved
from aerun.settings.sources import Jobs, Source, composer
from aerun.sweep.idle import GridJob, once, table, unused
from aerun.sweep.jobs import jobs_of
from tests.shell import here

QUICK = ["trainer=smoke", "trainer.progress=false", "pictures=[]"]


@pytest.fixture
def trained(monkeypatch):
    """What jobs would be trained with: their words, without the sweep's; training itself is not done."""
    jobs = []
    monkeypatch.setattr(
        "aerun.command.multirun.job",
        lambda plain, typed, path: jobs.append(" ".join(o for o in typed if not o.startswith("sweep."))) or 0.0,
    )
    return jobs


def job(typed, idle=()):
    return GridJob(tuple(typed.split()), {}, tuple(idle), tuple(typed.split()[:1]))


def test_jobs_that_are_then_the_same_are_one():
    jobs = [job("model=ae reg.lambda=1", ["reg.lambda=1"]), job("model=ae reg.lambda=2", ["reg.lambda=2"])]
    jobs += [job("model=sparse reg.lambda=1"), job("model=sparse reg.lambda=2")]
    assert [" ".join(one.typed) for one in once(jobs)] == [
        "model=ae",
        "model=sparse reg.lambda=1",
        "model=sparse reg.lambda=2",
    ]
    assert table(jobs, "once")[1:] == ["  model=ae      without it  1 job instead of 2", "  model=sparse  uses it     2 jobs"]
    assert not unused(jobs)
    assert unused(jobs[:2]) == {"reg.lambda"}


def test_a_model_without_the_setting_is_trained_once(tmp_path, trained):
    told = here(tmp_path, "-m", "sweep=s", "model=ae,sparse", "reg.lambda=1e-3,1e-2", "seed=0,1")
    assert trained == ["model=ae seed=0", "model=ae seed=1"] + [
        f"model=sparse reg.lambda={v} seed={s}" for v in ("0.001", "0.01") for s in (0, 1)
    ]
    assert told.out.startswith("reg.lambda: not every job of this sweep has this setting (sweep.idle=once)\n")
    assert "model=ae      without it  2 jobs instead of 4\n" in told.out
    written = json.loads((tmp_path / "outputs/sweeps/s/sweep.json").read_text())
    assert written["lacking"] == {"reg.lambda": ["model=ae"]}
    assert len(written["jobs"]) == 6


def test_a_planned_job_is_the_job_that_is_run():
    tasks = ["model=stacked,ae,sparse", "trainer=smoke", "reg.lambda=1e-3,1e-2", "trainer.max_epochs=2", "tags=[a]"]
    with composer(Source()) as hydra:
        jobs = Jobs(Source(), hydra, [])
        found = once(jobs_of(jobs, jobs.composed([])[0], tasks))
    assert [job.config for job in found] == [resolved(config_of(job.typed)) for job in found]
    assert len(found) == 4


def test_a_setting_of_one_option_alone(tmp_path, trained):
    """A fixed one too: Hydra's first composition, of the defaults, does not have it."""
    told = here(tmp_path, "-m", "regularizer=l1,kl", "model=vae", "reg.terms.kl.warmup=0.5")
    assert trained == ["regularizer=l1 model=vae", "regularizer=kl model=vae reg.terms.kl.warmup=0.5"]
    assert "regularizer=l1  without it  1 job\n" in told.out


def test_an_error_if_asked(tmp_path, trained):
    told = here(tmp_path, "-m", "sweep.idle=error", "model=ae,sparse", "reg.lambda=1e-3,1e-2")
    assert told.code == 2
    assert "model=sparse  uses it     2 jobs\n" in told.err
    assert not trained
    assert not (tmp_path / "outputs").exists()
    assert "sweep.idle=never: must be one of once, error" in here(tmp_path, "-m", "sweep.idle=never", "seed=0,1").err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("model=ae,vae reg.lamda=1", "reg.lamda: no such setting or group (nearest: reg.lambda)"),
        ("model=ae,deep reg.lambda=1", "reg.lambda=1: nothing uses it"),
        ("model=ae,typo", "model=typo: no such option"),
        (
            "model=ae,vae regularizer=kl",
            "1 of 2 jobs cannot be run, so none is begun.\n  model=ae regularizer=kl: regularizer=kl",
        ),
        ("model.latent_dim=2,0,-1", "2 of 3 jobs cannot be run, so none is begun.\n  model.latent_dim=0: model.latent_dim=0: "),
        ("dataset=array dataset.path=a.npy,b.npy", "b.npy"),
        ("objective=val/mse,val/typo", "objective=val/typo"),
    ],
)
def test_every_mistake_is_told_before_anything_is_trained(tmp_path, trained, typed, said):
    told = here(tmp_path, "-m", *typed.split())
    assert told.code == 2
    assert said in told.err
    assert "Traceback" not in told.err
    assert not trained
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("model", ["ica", "vqvae", "contractive", "stacked"])
def test_models_that_need_memory_to_be_built_are_planned_too(tmp_path, trained, model):
    assert "error" not in here(tmp_path, "-m", f"model={model}", "seed=0,1").err
    assert len(trained) == 2


def test_a_large_grid_is_planned_by_its_values(tmp_path, trained):
    told = here(tmp_path, "-m", "seed=range(0,30)", "model.latent_dim=2,4", "optimizer.lr=1e-3,-1")
    assert told.code == 2
    assert "of 120 jobs cannot be run, so none is begun." in told.err
    assert "optimizer.lr=-1" in told.err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("seed=5,-1", "1 of 2 jobs cannot be run, so none is begun.\n  seed=-1: seed=-1"),
        ("seed=range(-1,110)", "seed=-1: seed=-1"),
        ("seed=range(0,60) model=ae,typo", "model=typo: no such option"),
        ("seed=range(0,60) model=ae,vae regularizer=kl", "model=ae regularizer=kl"),
        (
            "seed=range(0,30) model.bottleneck.k=1,4 model.latent_dim=2,8 model=topk",
            "seed=0 model.bottleneck.k=4 model.latent_dim=2 model=topk",
        ),
    ],
)
def test_one_bad_job_of_many_is_found(tmp_path, trained, typed, said):
    """Of the last, each value goes with some other: only as a shape they do not go together."""
    told = here(tmp_path, "-m", *typed.split())
    assert told.code == 2
    assert said in told.err
    assert not trained


def test_folders_of_ones_own(tmp_path, trained):
    line = ["-m", "sweep=s", "hydra.sweep.subdir=${hydra:job.num}"]
    here(tmp_path, *line, "seed=0,1")
    folder = tmp_path / "outputs" / "sweeps" / "s"
    assert set(json.loads((folder / "sweep.json").read_text())["jobs"]) == {"0", "1"}
    here(tmp_path, *line, "seed=0,1,2", "sweep.extend=true")
    assert set(json.loads((folder / "sweep.json").read_text())["jobs"]) == {"0", "1", "2"}
    told = here(tmp_path, *line, "seed=5,6", "sweep.extend=true")
    assert told.code == 2
    assert "two jobs would share the folder 0" in told.err
    told = here(tmp_path, "-m", "hydra.sweep.subdir=../up", "seed=0,1")
    assert "hydra.sweep.subdir=../up: a folder in the sweep's" in told.err


def test_batches_and_configs_of_ones_own(tmp_path, trained):
    (tmp_path / "own").mkdir()
    params = "params: {seed: 'range(0,4)', reg.lambda: 0}"
    (tmp_path / "own" / "swept.yaml").write_text(
        f"defaults: [config, _self_]\nhydra: {{mode: MULTIRUN, sweeper: {{max_batch_size: 3, {params}}}}}\n"
    )
    told = here(tmp_path, "--config-dir", "own", "--config-name", "swept")
    assert len(trained) == 4
    assert told.out.count("Launching") == 2
    trained.clear()
    here(tmp_path, "--config-dir", "own", "--config-name", "swept", "seed=7")
    assert trained == ["seed=7 reg.lambda=0"]


def test_what_a_recipe_sets_for_another_option_is_left_out(tmp_path, trained):
    told = here(tmp_path, "-m", "model=stacked,ae", "trainer=stacked,smoke", "trainer.layer_epochs=3")
    assert told.out.startswith("model=stacked sets trainer.layer_epochs, which trainer=smoke does not have: left out\n")
    assert trained == [
        "model=stacked trainer=stacked trainer.layer_epochs=3",
        "model=stacked trainer=smoke",
        "model=ae trainer=stacked trainer.layer_epochs=3",
        "model=ae trainer=smoke",
    ]


def test_labels_hold_for_the_whole_sweep_and_name_no_job(tmp_path, trained):
    told = here(tmp_path, "-m", "sweep=s", "tags=a,b", "seed=0,1")
    assert trained == ["tags=['a','b'] seed=0", "tags=['a','b'] seed=1"], told.err
    assert set(json.loads((tmp_path / "outputs/sweeps/s/sweep.json").read_text())["jobs"]) == {"seed=0", "seed=1"}
    assert "tags=choice(a,b): one value for the whole sweep" in here(tmp_path, "-m", "tags=choice(a,b)").err
    assert Path(tmp_path / "outputs/sweeps/s").is_dir()


def test_jobs_that_differ_in_case_alone_have_folders_of_their_own(tmp_path, trained):
    for name in ("a", "A"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).random((60, 4), dtype=np.float32))
    told = here(tmp_path, "-m", "sweep=s", "dataset=array", "dataset.path=a.npy,A.npy", "model.latent_dim=2")
    assert len(trained) == 2, told.err
    names = json.loads((tmp_path / "outputs/sweeps/s/sweep.json").read_text())["jobs"]
    assert len({name.casefold() for name in names}) == 2
