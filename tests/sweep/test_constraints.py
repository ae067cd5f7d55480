"""A search recommends what holds its constraints, compares points by seeds, and keeps its study as a journal too."""

import json
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from aerun.core.errors import AerunError
from aerun.sweep.constraints import constraints_of, feasible, in_words, violations, worst
from tests.shell import here

optuna = pytest.importorskip("optuna")
pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
from aerun.sweep.search import _constrained, _unaware  # noqa: E402
from aerun.sweep.search_summary import _front, against  # noqa: E402

OPTUNA_HAS_THEM = hasattr(optuna.trial.Trial, "set_constraint")
QUICK = ["trainer=smoke", "trainer.progress=false", "pictures=[]", "evaluate=[]", "model.arch.hidden=[4]"]
LINE = ["-m", "sweep=c", "search=own", "model.latent_dim=range(2,6)", "search.trials=4", "search.storage=journal", *QUICK]


def test_bounds_are_above_or_below_as_the_figure_says():
    limits = constraints_of({"parameters": 100, "test/psnr": 20}, ["val/mse"])
    assert in_words(limits) == "parameters at most 100 and test/psnr at least 20"
    seeds = worst(limits, [(90, 30.0), (110, 10.0)])
    assert seeds == {"parameters": 110, "test/psnr": 10.0}
    assert violations(limits, seeds) == pytest.approx([0.1, 0.5])
    assert violations(limits, {"parameters": 100, "test/psnr": 20}) == [0, 0]
    assert constraints_of(None, []) == {}


@pytest.mark.parametrize("wrong", ["few", [1], {"parameters": "few"}, {"val/mse": 1}, {"parameters": float("nan")}])
def test_what_is_no_bound_is_refused(wrong):
    with pytest.raises(AerunError, match=r"search\.constraints"):
        constraints_of(wrong, ["val/mse"])


def test_only_what_holds_them_is_recommended(tmp_path):
    told = here(tmp_path, *LINE, "search.constraints={parameters: 612}")  # of 3 numbers; each more has 9
    assert told.code == 0, told.err
    folder = tmp_path / "outputs" / "sweeps" / "c"
    sizes = {r["latent_dim"]: r for p in folder.glob("*/results.json") if (r := json.loads(p.read_text()))}
    assert sorted(sizes) == [2, 3, 4, 5]
    small = [size for size, r in sizes.items() if r["parameters"] <= 612]
    assert sorted(small) == [2, 3]
    assert "2 of 4 points hold parameters at most 612; the others are not recommended" in told.out
    best = min(small, key=lambda size: sizes[size]["val/mse"])
    assert f"best of 2 points: aerun model.latent_dim={best} " in told.out
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "study.journal"))
    study = optuna.load_study(study_name="c", storage=optuna.storages.JournalStorage(backend))
    trials = study.get_trials(states=[optuna.trial.TrialState.COMPLETE])
    assert {t.params["model.latent_dim"]: feasible(t) for t in trials} == {2: True, 3: True, 4: False, 5: False}
    key = "constraints:parameters" if OPTUNA_HAS_THEM else "constraints"
    kept = [t.system_attrs[key] if OPTUNA_HAS_THEM else t.system_attrs[key][0] for t in trials]
    assert kept == [t.user_attrs["aerun:constraints"][0] for t in trials]
    table = here(tmp_path, "compare", str(folder)).out
    assert "2 of 4 settings hold parameters at most 612: they come first" in table
    rows = [line.split("│")[1].strip() for line in table.splitlines() if line.startswith("│")]
    assert sorted(rows[:2]) == ["2", "3"]
    assert here(tmp_path, "report", str(folder)).code == 0
    page = (folder / "report.html").read_text()
    assert "2 of 4 settings hold parameters at most 612" in page
    assert "parameters against val/mse" in page
    again = here(tmp_path, *LINE, "search.constraints={parameters: 500}")
    assert (again.code, "has other constraints" in again.err) == (2, True)
    again = here(tmp_path, *LINE, "search.constraints={parameters: 612}")
    assert (again.code, "4 of 4 trials completed" in again.out, "Launching" in again.out) == (0, True, False)


def test_a_constraint_on_what_a_run_does_not_have_is_told_first(tmp_path):
    told = here(tmp_path, *LINE, "search.constraints={latency/model/encode_ms: 3}")
    assert told.code == 2
    assert "latency/model/encode_ms: no such figure" in told.err
    assert not list(tmp_path.glob("outputs/sweeps/c/*/"))


def test_samplers_that_know_constraints_are_told():
    node = OmegaConf.create({"_target_": "x", "seed": 1})
    for kind, knows in (("TPESampler", True), ("NSGAIISampler", True), ("RandomSampler", False)):
        sampler = getattr(optuna.samplers, kind)(seed=1)
        assert (_constrained(sampler, node) is not sampler) == (knows and not OPTUNA_HAS_THEM)


def test_a_sampler_that_does_not_look_at_them_is_told(tmp_path):
    kinds = {k: getattr(optuna.samplers, f"{k}Sampler") for k in ("TPE", "NSGAII", "Random")}
    assert {k for k, kind in kinds.items() if not _unaware(kind(seed=1), {"parameters": 1})} == {"TPE", "NSGAII"}
    random = [w for w in LINE if w != "search.trials=4"]
    told = here(tmp_path, *random, "search.trials=1", "hydra/sweeper/sampler=random", "search.constraints={parameters: 1}")
    assert told.code == 0, told.err
    said = "RandomSampler draws as without them: points that miss parameters at most 1 are trained as well"
    assert said in told.out + told.err
    assert "0 of 1 point hold parameters at most 1" in told.out


def trial(*values, seeds=()):
    return SimpleNamespace(values=values, user_attrs={"aerun:seeds": [[v] for v in seeds]})


def test_the_front_is_what_nothing_beats():
    trials = [trial(1, 9), trial(2, 5), trial(2, 6), trial(3, 9), trial(2, 5)]
    assert _front(trials, [1, -1]) == [trials[0]]
    assert _front(trials, [1, 1]) == [trials[0], trials[1], trials[4]]


def test_seeds_are_the_unit_of_the_comparison():
    words = against(trial(1.0, seeds=(1.0, 1.1, 0.9)), trial(2.0, seeds=(2.0, 2.1, 1.91)), 2, 1)
    assert words.startswith("the best is better than the second by 0.9")
    assert "95 % over 3 paired seeds, corrected for 1 pair of 2 points" in words
    assert against(trial(1.0, seeds=(1.0, 1.1)), trial(2.0, seeds=(1.4, 2.6)), 9, 1).startswith("cannot tell the best")
    assert against(trial(1.0, seeds=(1.0,)), trial(2.0, seeds=(2.0,)), 2, 1) == ""
