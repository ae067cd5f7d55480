"""Every row of docs/hydra.md does what it says: runs are composed, planned and handed to training, which is not done here."""

import os
import re
import shlex
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.errors import MissingConfigException

from aerun.__main__ import main
from aerun.build import build
from aerun.settings.replaced import as_typed
from tests.shell import here

TEXT = (Path(__file__).parents[2] / "docs" / "hydra.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`(own/\S+\.yaml)`,[^`]*```yaml\n(.*?)```", TEXT, re.DOTALL))
ROWS = re.findall(r"\| `(aerun .*)` \|$", TEXT, re.MULTILINE)

# command -> what each job is trained with
JOBS = {
    "aerun -m model=ae,vae seed=0,1": ["model=ae seed=0", "model=ae seed=1", "model=vae seed=0", "model=vae seed=1"],
    "aerun -m 'model=choice(ae,vae)'": ["model=ae", "model=vae"],
    "aerun -m 'model.latent_dim=range(2,5)'": [f"model.latent_dim={n}" for n in (2, 3, 4)],
    "aerun -m 'model=glob(s*,exclude=stacked*)'": [
        *(f"model=sae_{name}" for name in ("batchtopk", "gated", "jumprelu", "matryoshka", "topk")),
        "model=sigma_vae",
        "model=sparse",
        "model=sparse_kl",
        "model=ssaae",
        "model=svae",
        "model=swae",
    ],
    "aerun -m 'seed=sort(3,1,2)'": ["seed=1", "seed=2", "seed=3"],
    "aerun -m 'optimizer.lr=tag(log,choice(1e-3,1e-2))'": ["optimizer.lr=0.001", "optimizer.lr=0.01"],
    "aerun -m 'seed=int(choice(0.0,1.0))'": ["seed=0", "seed=1"],
    "aerun --multirun model=ae,sparse reg.lambda=1e-3,1e-2": [
        "model=ae",
        "model=sparse reg.lambda=0.001",
        "model=sparse reg.lambda=0.01",
    ],
    "aerun hydra.mode=MULTIRUN seed=0,1": ["seed=0", "seed=1"],
    "aerun --config-dir own --config-name swept -m": [f"model={m} seed={s}" for m in ("ae", "sparse") for s in (0, 1)],
    "aerun --config-path own --config-name swept -m 'hydra.searchpath=[pkg://aerun.configs]'": [
        f"model={m} seed={s}" for m in ("ae", "sparse") for s in (0, 1)
    ],
    "aerun -m hydra.sweep.dir=there seed=0,1": ["seed=0", "seed=1"],
    "aerun -m 'hydra.sweep.subdir=${hydra:job.num}' seed=0,1": ["seed=0", "seed=1"],
    "aerun -m hydra/launcher=basic seed=0,1": ["seed=0", "seed=1"],
    "aerun hydra.run.dir=there": [""],
    "aerun hydra.job.chdir=true": [""],
    "aerun --config-dir own experiment=narrow": ["experiment=narrow"],
    "aerun --config-dir own --config-name swept hydra.mode=RUN": [""],
    "aerun --config-path pkg://aerun.configs": [""],
    "aerun ++seed=4": ["++seed=4"],
    "aerun '~model/corruption' model=denoising": ["model/corruption=none model=denoising"],
    "aerun hydra/job_logging=disabled": [""],
    "aerun hydra/hydra_logging=disabled": [""],
    "aerun hydra.verbose=aerun": [""],
    "aerun seed=0,1 -m model=ae": ["seed=0 model=ae", "seed=1 model=ae"],
    "aerun seed=1 seed=2": ["seed=1 seed=2"],
    "aerun 'seed=${oc.decode:${oc.env:AERUN_SEED,3}}'": ["seed='${oc.decode:${oc.env:AERUN_SEED,3}}'"],
    "aerun 'tags=[first try,paper]' 'notes=wider, see [2]'": ["tags=['first try','paper'] notes='wider, see [2]'"],
}
# command -> what it says instead of running
SAID = {
    "aerun -m 'reg.lambda=interval(0,1)'": "a grid wants values, such as reg.lambda=1e-3,1e-2",
    "aerun 'evaluate=extend_list(probe)'": "evaluate=extend_list(probe): Hydra 1.3 has no such function: write the whole list",
    "aerun -m hydra.run.dir=a,b": "hydra.run.dir=a,b: Hydra's own settings are not swept",
    "aerun --config-dir own experiment=narow": "experiment=narow: no such preset (nearest: narrow)",
    "aerun +foo=1": "foo is not a setting here",
    "aerun '~dataset'": "~dataset: every run has one of the group dataset",
    "aerun '~seed'": "~seed: every run has this setting",
    "aerun -m --cfg job": "--multirun --cfg: one of them at a time.",
    "aerun --experimental-rerun job.pickle": "aerun resume RUN goes on with a run.",
    "aerun model=typo": "model=typo: no such option (nearest: topk)",
}
OTHER = {
    "aerun -m 'seed=shuffle(range(0,3))'",
    "aerun --cfg job --resolve --package model",
    "aerun --info defaults",
}


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Types a command where the page's files are; what it says, and what it would have trained: words, config and folder."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    jobs = []

    def note(plain, words, path):
        jobs.append((" ".join(w for w in words if not w.startswith("sweep.")), plain, path))
        return 0.0

    def alone(plain, path, dataset):
        build(plain)
        return note(plain, as_typed(HydraConfig.get().overrides.task), path)

    monkeypatch.setattr("aerun.command.multirun.job", note)
    monkeypatch.setattr("aerun.command.train._alone", alone)
    return lambda command: (here(tmp_path, *shlex.split(command)[1:]), jobs)


def test_every_row_has_a_test():
    assert len(FILES) == 2
    assert sorted(ROWS) == sorted({*JOBS, *SAID, *OTHER})


@pytest.mark.parametrize("command", JOBS)
def test_what_is_trained(typed, command):
    told, jobs = typed(command)
    assert [words for words, _, _ in jobs] == JOBS[command], told.err
    assert "error" not in told.err


@pytest.mark.parametrize("command", SAID)
def test_what_is_said(typed, command):
    told, jobs = typed(command)
    assert told.code == 2, told.out
    assert told.err.startswith("aerun: error: ")
    assert SAID[command] in told.err
    assert not jobs


def test_shuffled_jobs_are_the_same_in_another_order(typed):
    _, jobs = typed("aerun -m 'seed=shuffle(range(0,3))'")
    assert sorted(plain["seed"] for _, plain, _ in jobs) == [0, 1, 2]


def test_what_is_shown(typed):
    told, _ = typed("aerun --cfg job --resolve --package model")
    assert told.code == 0
    assert "latent_dim: 8\n" in told.out
    assert "${" not in told.out
    told, jobs = typed("aerun --info defaults")
    assert told.code == 0
    assert "model/ae" in told.out
    assert not jobs


def test_hydras_errors_in_full(tmp_path, monkeypatch):
    def typed_with_variable():
        os.environ["HYDRA_FULL_ERROR"] = "1"
        main()

    monkeypatch.setattr("tests.shell.main", typed_with_variable)
    with pytest.raises(MissingConfigException):
        here(tmp_path, "model=typo")


def test_places(typed, tmp_path):
    typed("aerun -m hydra.sweep.dir=there seed=0,1")
    typed("aerun -m 'hydra.sweep.subdir=${hydra:job.num}' seed=0,1 sweep=s")
    _, jobs = typed("aerun hydra.run.dir=run")
    sweep = tmp_path / "outputs" / "sweeps" / "s"
    there = [tmp_path / "there" / "seed=0", tmp_path / "there" / "seed=1", sweep / "0", sweep / "1", tmp_path / "run"]
    assert [tmp_path / path for _, _, path in jobs] == there


def test_a_preset_and_a_deleted_group(typed):
    _, jobs = typed("aerun --config-dir own experiment=narrow")
    told, _ = typed("aerun '~model/corruption' model=denoising")
    (_, preset, _), (_, clean, _) = jobs
    assert (preset["model"]["name"], preset["model"]["latent_dim"], preset["seed"]) == ("sparse", 4, 3)
    assert clean["model"]["corruption"] == {"_target_": "aerun.model.corruption.none.None_"}
    assert told.err == "~model/corruption: read as model/corruption=none\n"


def test_tags_and_notes_are_no_part_of_a_name(typed):
    _, jobs = typed("aerun 'tags=[first try,paper]' 'notes=wider, see [2]'")
    ((_, plain, path),) = jobs
    assert (plain["tags"], plain["notes"]) == (["first try", "paper"], "wider, see [2]")
    assert path.name.endswith("_default")
