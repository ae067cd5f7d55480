"""A run's folder holds everything that tells what was run and what came of it."""

import json
import re
import shlex
import signal
import subprocess

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from aerun.logger.names import scalar
from tests import loaded
from tests.shell import here, metrics, stopped, timeless

# Brackets, so that the command must be quoted.
SMOKE = shlex.split("model=sparse regularizer=[l1,contractive] reg.lambda=0.02 trainer=smoke trainer.max_epochs=3")
SWEPT = [*SMOKE, "pictures=[]"]
EPOCHS = 3
HPARAMS = ("session_start_info", "session_end_info")


def events(folder):
    """The run as TensorBoard reads it."""
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def hparams(folder):
    """What of an HParams session is there: name -> content."""
    content = events(folder).PluginTagToContent("hparams")
    return {n: HParamsPluginData.FromString(content[f"_hparams_/{n}"]) for n in HPARAMS if f"_hparams_/{n}" in content}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A folder under git with one commit, to work in."""
    path = tmp_path_factory.mktemp("work")
    me = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], [*me, "commit", "-q", "--allow-empty", "-m", "start"]):
        subprocess.run(["git", *command], cwd=path, check=True)
    return path


@pytest.fixture(scope="module")
def run(work):
    """The folder of one short run, where aerun puts it by itself."""
    told = here(work, *SMOKE)
    assert told.code == 0, told.err
    (path,) = (work / "outputs" / "runs").iterdir()
    assert str(path.relative_to(work)) in told.out
    return path


def jobs_of(sweep):
    """The folders of a sweep's jobs, in order."""
    return sorted(p for p in sweep.iterdir() if p.is_dir() and not p.name.startswith("."))


@pytest.fixture(scope="module")
def sweep(work):
    """The folder of a sweep over two seeds; seed 0 is `run` again."""
    told = here(work, "-m", *SWEPT, "seed=0,1")
    assert told.code == 0, told.err
    (path,) = (work / "outputs" / "sweeps").iterdir()
    return path


def test_nothing_else_is_there(run):
    names = {p.name for p in run.iterdir()}
    events = {n for n in names if n.startswith("events.out.tfevents.")}
    assert [n.rpartition(".")[2] for n in events] == ["training"]
    plain = {
        "aerun.log",
        "config.yaml",
        "run.json",
        "facts.json",
        "results.json",
        "metrics.csv",
        "scores.json",
        "codes.npz",
        "test_errors.npy",
    }
    assert names == {*events, *plain, "checkpoints", "pictures", "projector", "projector_config.pbtxt"}
    assert {p.name for p in (run / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}


def test_config_is_plain_and_whole(run):
    text = (run / "config.yaml").read_text()
    config = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"), resolve=False)
    assert "${" not in text
    assert config["model"]["arch"]["latent_dim"] == config["model"]["latent_dim"] == 128
    assert config["reg"]["lambda"] == 0.02
    assert set(config["reg"]["terms"]) == {"l1", "contractive"}
    assert "hydra" not in config


def test_run_tells_how_to_repeat_it(run, work):
    found = json.loads((run / "run.json").read_text())
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=work, capture_output=True, text=True, check=True).stdout.strip()
    assert shlex.split(found["command"]) == ["aerun", *SMOKE]
    assert found["cwd"] == str(work)
    assert found["git"] == head
    assert found["versions/torch"] == torch.__version__.partition("+")[0] or found["versions/torch"] == torch.__version__
    assert {"versions/aerun", "versions/python", "versions/pytorch-lightning", "versions/hydra-core"} <= set(found)


def test_results_are_flat_and_complete(run):
    found = json.loads((run / "results.json").read_text())
    wanted = "test/se test/mse test/psnr pca/se objective seed seconds versions/torch val/mse val/reg/l1 effective_lambda/l1"
    assert set(wanted.split()) <= set(found)
    assert not [k for k, v in found.items() if isinstance(v, dict | list)]
    assert found["status"] == "completed"
    assert found["seed"] == 0
    assert found["objective"] == found["val/mse"]
    assert found["epochs"] == EPOCHS
    assert found["test/mse"] == pytest.approx(found["test/se"] / 64)
    assert found["effective_lambda/l1"] == pytest.approx(0.02)


def test_errors_of_test_samples_are_those_of_the_results(run):
    errors = np.load(run / "test_errors.npy", allow_pickle=False)
    assert errors.shape == (270,)
    assert errors.mean() == pytest.approx(json.loads((run / "results.json").read_text())["test/se"])


def test_metrics_have_one_row_an_epoch(run):
    assert [r["epoch"] for r in metrics(run)] == [*range(EPOCHS)]
    assert [r["step"] for r in metrics(run)] == [3, 6, 9]


def test_results_are_of_the_best_epoch(run):
    found = json.loads((run / "results.json").read_text())
    best = min(metrics(run), key=lambda r: r["val/loss"])
    assert found["best_epoch"] == best["epoch"]
    assert {k: found[k] for k in best} == best


def test_loss_is_the_sum_of_its_parts(run):
    for row in metrics(run):
        for split in ("train", "val"):
            weighted = [row[f"{split}/reg_w/{k}"] for k in ("l1", "contractive")]
            assert row[f"{split}/loss"] == pytest.approx(row[f"{split}/reconstruction"] + sum(weighted), rel=1e-5)


def test_checkpoints_are_data_alone(run):
    for name, epoch in (("best", min(metrics(run), key=lambda r: r["val/loss"])["epoch"]), ("last", EPOCHS - 1)):
        found = torch.load(run / "checkpoints" / f"{name}.ckpt", weights_only=True)
        assert found["epoch"] == epoch
        assert all(t.isfinite().all() for t in found["state_dict"].values())


def test_picture_opens(run):
    with Image.open(run / "pictures" / "reconstructions.png") as picture:
        assert picture.mode == "RGB"
        assert picture.getextrema() != ((255, 255),) * 3


def test_tensorboard_shows_every_column(run):
    found = events(run)
    columns = set(metrics(run)[0]) - {"epoch", "step"}
    wanted = {"val/mse", "lr", "samples_per_second", "train/loss"}
    wanted |= {f"{a}{b}" for a in ("train/reg/", "val/reg_w/", "effective_lambda/") for b in ("l1", "contractive")}
    assert wanted <= columns
    tags = {scalar(column).tag: column for column in (*columns, "step")}
    assert set(tags) == {n for n in found.Tags()["scalars"] if ", test" not in n}
    assert {"Error/MSE per element, val", "Objective/loss per sample, train", "Regularizers/l1 weighted, val"} <= set(tags)
    pictures = found.Tensors("Pictures/reconstructions")
    assert [p.step for p in pictures] == [1, 2, 3, 3]
    assert pictures[0].tensor_proto.string_val[2].startswith(b"\x89PNG")
    for tag, column in tags.items():
        points = found.Scalars(tag)
        assert [p.step for p in points] == [r["epoch"] + 1 for r in metrics(run)]
        assert [p.value for p in points] == pytest.approx([r[column] for r in metrics(run)], rel=1e-6)


def test_the_card_says_what_the_run_was_and_is(run):
    first, last = (p.tensor_proto.string_val[0].decode() for p in events(run).Tensors("Card"))
    for text in (first, last):
        assert "**sparse on digits**" in text
        assert "    aerun model=sparse" in text
    assert "training" in first
    assert "1,257 training" in last
    assert "aerun evaluate" in last


def test_hparams_tell_the_settings_and_the_end(run):
    found = hparams(run)
    assert set(found) == set(HPARAMS)
    settings = found["session_start_info"].session_start_info.hparams
    assert settings["Code size"].number_value == 128
    assert settings["Regularization weight"].number_value == pytest.approx(0.02)
    assert settings["Model"].string_value == "sparse"
    assert settings["Data"].string_value == "digits"
    assert settings["regularizers"].string_value == "l1, contractive"
    assert settings["network"].string_value == "linear"
    assert not [name for name in settings if "." in name or "_" in name]
    assert found["session_end_info"].session_end_info.status == 1  # success


@pytest.mark.slow
def test_a_killed_run_is_listed_too(work):
    """HParams needs the settings only: they are on disk from the first epoch on, whatever happens next."""
    folder = work / "killed"
    run = loaded.start(work, "trainer.max_epochs=100000", f"hydra.run.dir={folder}")
    assert stopped(run, signal.SIGKILL, folder, epochs=1).code == -signal.SIGKILL
    assert set(hparams(folder)) == {"session_start_info"}
    assert json.loads((folder / "results.json").read_text())["status"] == "running"


def test_sweep_writes_a_folder_a_job(sweep, work):
    jobs = [p.name for p in jobs_of(sweep)]
    assert len(jobs) == 2
    for seed, name in enumerate(jobs):
        assert f"seed={seed}" in name
        assert json.loads((sweep / name / "results.json").read_text())["seed"] == seed
        assert re.search(rf"^seed: {seed}$", (sweep / name / "config.yaml").read_text(), re.MULTILINE)
        typed = json.loads((sweep / name / "run.json").read_text())["command"]
        assert shlex.split(typed) == ["aerun", *SWEPT, f"seed={seed}"]  # this job again, alone


def test_a_seed_is_the_whole_of_chance(run, sweep):
    """Equal seeds give equal numbers, alone or as a job among others; another seed gives others."""
    same, other = jobs_of(sweep)
    assert timeless(same) == timeless(run)
    assert timeless(other) != timeless(run)


def test_an_illegal_job_is_told_before_any_is_begun(work):
    where = work / "outputs" / "half"
    told = here(work, "-m", "regularizer=l1,rate", "trainer=smoke", "pictures=[]", f"hydra.sweep.dir={where}")
    assert told.code == 2
    assert not where.exists()
    assert "1 of 2 jobs cannot be run, so none is begun." in told.err
    assert "regularizer=rate needs `rate`" in told.err
    assert "Traceback" not in told.out + told.err


def test_tensorboard_lists_one_run_a_folder(run, sweep, work):
    """TensorBoard takes every folder that holds event files for a run, and names it by its path."""
    folders = [p.parent for top in (run, sweep) for p in top.rglob("events.out.tfevents.*")]
    assert set(folders) == {run, *jobs_of(sweep)}
